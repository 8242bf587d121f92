use std::os::unix::fs::PermissionsExt;

use alloy::primitives::address;

use super::*;

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

fn key() -> PrivateKey {
    PrivateKey::from_hex(&secret(&"46".repeat(32))).expect("a key")
}

/// A folder with one keystore of [`key`] under the password `open sesame`, and the file's text.
fn stored() -> (tempfile::TempDir, PathBuf, String) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = create(folder.path(), Some("hot"), &key(), &secret("open sesame"), Cost::Light).expect("written");
    let text = fs::read_to_string(&path).expect("readable");
    (folder, path, text)
}

#[test]
fn a_key_is_the_account_that_eip_155_derives_from_it() {
    // The example of EIP-155.
    assert_eq!(key().address(), address!("0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F"));
}

#[test]
fn what_was_stored_opens_with_its_password_only() {
    let (_folder, path, _) = stored();
    assert_eq!(open(&path, &secret("open sesame")).expect("opens").expose(), key().expose());
    for wrong in ["open sesam", "open sesame ", "OPEN SESAME", "x"] {
        let error = open(&path, &secret(wrong)).expect_err("wrong password");
        assert!(matches!(error, KeystoreError::WrongPassword { .. }));
        assert!(error.to_string().contains("wrong password for keystore"));
        assert!(!format!("{error} {error:?}").contains(wrong) || wrong == "x");
    }
}

#[test]
fn files_are_private_and_hold_no_key() {
    let (_folder, path, text) = stored();
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert!(!text.contains("4646") && !text.contains("sesame"));
    let fresh = path.with_file_name("keys");
    let inner = create(&fresh, None, &key(), &secret("p"), Cost::Light).expect("written");
    assert_eq!((mode(&fresh), mode(&inner)), (0o700, 0o600));
    assert_eq!(inner.file_name().and_then(|name| name.to_str()), Some("0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f"));
}

#[test]
fn a_keystore_is_never_overwritten() {
    let (folder, path, text) = stored();
    let other = PrivateKey::generate().expect("randomness");
    let error = create(folder.path(), Some("hot"), &other, &secret("p"), Cost::Light).expect_err("taken");
    assert!(matches!(error, KeystoreError::Exists { .. }));
    assert_eq!(fs::read_to_string(&path).expect("readable"), text);
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1, "and nothing is left beside it");
}

#[test]
fn names_stay_in_their_folder() {
    let folder = tempfile::tempdir().expect("temporary folder");
    for name in ["", ".", "..", "../hot", "a/b", ".hidden", "a b", "a\0b", "ключ"] {
        let result = create(folder.path(), Some(name), &key(), &secret("p"), Cost::Light);
        assert!(matches!(result, Err(KeystoreError::Name { .. })), "{name:?}");
    }
}

#[test]
fn two_stores_of_one_key_share_nothing() {
    let (_first, _, one) = stored();
    let (_second, _, other) = stored();
    let field = |text: &str, pointer: &str| {
        let json: serde_json::Value = serde_json::from_str(text).expect("JSON");
        json.pointer(pointer).expect("there").to_string()
    };
    for pointer in ["/id", "/crypto/ciphertext", "/crypto/mac", "/crypto/cipherparams/iv", "/crypto/kdfparams/salt"] {
        assert_ne!(field(&one, pointer), field(&other, pointer), "{pointer}");
    }
}

#[test]
fn a_folder_lists_its_keystores_by_name() {
    let (folder, path, text) = stored();
    fs::write(folder.path().join("notes"), "not a keystore").expect("writable");
    fs::create_dir(folder.path().join("sub")).expect("writable");
    let nameless = text.replacen("\"address\":\"9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f\",", "", 1);
    assert_ne!(nameless, text);
    fs::write(folder.path().join("foundry"), nameless).expect("writable");
    let expected =
        [Entry { path: folder.path().join("foundry"), address: None }, Entry { path, address: Some(key().address()) }];
    assert_eq!(list(folder.path()).expect("readable"), expected);
}

#[test]
fn a_missing_keystore_says_what_to_do() {
    let error = open(Path::new("/nowhere/hot"), &secret("p")).expect_err("not there");
    assert!(matches!(error, KeystoreError::Missing { .. }));
    assert!(error.to_string().contains("/nowhere/hot") && error.to_string().contains("wallet new"));
}

#[test]
fn generated_keys_differ() {
    let keys: Vec<PrivateKey> = (0..8).map(|_| PrivateKey::generate().expect("randomness")).collect();
    let accounts: std::collections::BTreeSet<_> = keys.iter().map(PrivateKey::address).collect();
    assert_eq!(accounts.len(), 8);
}

#[test]
fn what_is_no_key_is_refused_and_not_repeated() {
    // The order of secp256k1, and one below it.
    let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    let below = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140";
    assert!(PrivateKey::from_hex(&secret(below)).is_ok());
    assert!(PrivateKey::from_hex(&secret(&format!(" 0x{below}\n"))).is_ok());
    let zero = "0".repeat(64);
    for wrong in [order, &zero, "", "0x", &below[1..], &format!("0{below}"), &below.replacen('f', "g", 1)] {
        let error = PrivateKey::from_hex(&secret(wrong)).expect_err(wrong);
        assert!(matches!(error, KeystoreError::NotAKey));
    }
}

#[test]
fn a_hostile_or_damaged_file_is_an_error_and_costs_little() {
    let malformed = [
        ("\"version\":3", "\"version\":1"),
        ("\"version\":3", "\"version\":300"),
        ("aes-128-ctr", "aes-128-cbc"),
        ("\"n\":4096", "\"n\":4095"),
        ("\"n\":4096", "\"n\":0"),
        ("\"n\":4096", "\"n\":1"),
        ("\"n\":4096", "\"n\":2147483648"),
        ("\"n\":4096", "\"n\":4294967296"),
        ("\"r\":8", "\"r\":0"),
        ("\"r\":8", "\"r\":4294967295"),
        ("\"p\":6", "\"p\":0"),
        ("\"p\":6", "\"p\":4294967295"),
        ("\"dklen\":32", "\"dklen\":8"),
        ("\"dklen\":32", "\"dklen\":99999999999"),
        ("\"kdf\":\"scrypt\"", "\"kdf\":\"bcrypt\""),
        ("\"iv\":\"", "\"iv\":\"00"),
        ("\"iv\":\"", "\"iv\":\"zz"),
        ("\"mac\":\"", "\"mac\":\"00"),
        ("\"ciphertext\":\"", "\"ciphertext\":\"00"),
        ("\"address\":\"9d", "\"address\":\"9e"),
        ("\"address\":\"9d", "\"address\":\"zz"),
        ("{", "["),
    ];
    let (_folder, path, text) = stored();
    for (from, to) in malformed {
        assert!(text.contains(from), "{text} has no {from}");
        fs::write(&path, text.replacen(from, to, 1)).expect("writable");
        let result = open(&path, &secret("open sesame"));
        assert!(matches!(result, Err(KeystoreError::Malformed { .. })), "{to}: {result:?}");
    }
}

#[test]
fn a_flipped_bit_anywhere_gives_an_error_or_the_same_key() {
    let (_folder, path, text) = stored();
    // Flipping costs of the derivation would cost; the rest of the file does not.
    for position in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[position] ^= 1;
        let Ok(damaged) = String::from_utf8(bytes) else { continue };
        if damaged.contains("\"n\":4096,\"p\":6,\"r\":8") && position % 29 == 0 {
            fs::write(&path, damaged).expect("writable");
            if let Ok(opened) = open(&path, &secret("open sesame")) {
                assert_eq!(opened.expose(), key().expose());
            }
        }
    }
}

#[test]
fn a_file_cut_short_is_malformed() {
    let (_folder, path, text) = stored();
    for length in 0..text.len() {
        fs::write(&path, &text[..length]).expect("writable");
        assert!(matches!(open(&path, &secret("open sesame")), Err(KeystoreError::Malformed { .. })), "{length}");
    }
}

#[test]
fn what_is_too_large_for_a_keystore_is_not_read() {
    let (_folder, path, _) = stored();
    let file = File::create(&path).expect("writable");
    file.set_len(FILE_BYTES_MAX + 1).expect("sparse");
    assert!(matches!(open(&path, &secret("p")), Err(KeystoreError::Malformed { .. })));
    let folder = path.parent().expect("a folder");
    assert!(matches!(open(folder, &secret("p")), Err(KeystoreError::Malformed { .. })));
}

//! Everything that leaves as bytes, compared with an unrelated implementation: ethers-rs, which shares no code with alloy
//! above the curve arithmetic.

use alloy::primitives::{Address, B256, keccak256};
use alloy::sol_types::SolValue;
use alphapulse_engine::execution::calldata::{self, Leg, Plan, SWAPS_MAX, Swap, SwapPlan};
use alphapulse_engine::execution::keystore::{self, Cost, PrivateKey};
use alphapulse_engine::secret::Secret;
use ethers_core::abi::{self, Token};
use ethers_core::types::transaction::eip2718::TypedTransaction;
use ethers_core::types::{Eip1559TransactionRequest, H160, U256};
use ethers_core::utils;
use ethers_signers::{LocalWallet, Signer as _};
use rand::Rng;
use rand::rngs::StdRng;
use zeroize::Zeroizing;

use crate::approval::{self, Wanted};
use crate::random::{self, CASES};

/// Keystores compared each way. Each costs two derivations that are slow by design.
const KEYSTORES: usize = 16;

fn h160(address: Address) -> H160 {
    H160(address.into_array())
}

fn u256(number: alloy::primitives::U256) -> U256 {
    U256::from_big_endian(&number.to_be_bytes::<32>())
}

fn key(rng: &mut StdRng) -> ([u8; 32], PrivateKey, LocalWallet) {
    let bytes: [u8; 32] = rng.random();
    let key = PrivateKey::from_bytes(Zeroizing::new(bytes)).unwrap();
    (bytes, key, LocalWallet::from_bytes(&bytes).unwrap())
}

#[test]
fn accounts_of_keys_and_their_checksums_agree() {
    let mut rng = random::rng("accounts");
    for _ in 0..CASES {
        let (_, ours, theirs) = key(&mut rng);
        assert_eq!(ours.address().into_array(), theirs.address().0);
        assert_eq!(ours.address().to_string(), utils::to_checksum(&theirs.address(), None));
    }
}

fn plan(rng: &mut StdRng) -> Plan {
    let count = rng.random_range(2..=4);
    let tokens: Vec<Address> = (0..count).map(|_| random::address(rng)).collect();
    let legs: Vec<Leg> = (0..count)
        .map(|index| Leg {
            venue: rng.random(),
            token_in: tokens[index],
            token_out: tokens[(index + 1) % count],
            fee: rng.random_range(0..1 << 24),
        })
        .collect();
    let block_min = rng.random_range(0..=u64::MAX / 2);
    let block_max = rng.random_range(block_min..=u64::MAX);
    Plan::new(block_min, block_max, random::number(rng, 255), random::number(rng, 256), &legs).unwrap()
}

/// Selector of the executor's one trading function, from its signature.
fn selector() -> [u8; 4] {
    utils::id("execute((uint64,uint64,uint256,uint256,(uint16,address,address,uint24)[]))")
}

fn number(value: u64) -> Token {
    Token::Uint(value.into())
}

/// The words of a leg.
fn leg_tokens(leg: &Leg) -> Vec<Token> {
    let address = |token| Token::Address(h160(token));
    vec![number(leg.venue.into()), address(leg.token_in), address(leg.token_out), number(leg.fee.into())]
}

/// The plan as ethers sees it: a tuple, encoded by its ABI coder.
fn plan_token(plan: &Plan) -> Token {
    let leg = |leg: &Leg| Token::Tuple(leg_tokens(leg));
    let (block_min, block_max) = plan.block_window();
    Token::Tuple(vec![
        number(block_min),
        number(block_max),
        Token::Uint(u256(plan.amount_in())),
        Token::Uint(u256(plan.profit_min())),
        Token::Array(plan.legs().iter().map(leg).collect()),
    ])
}

#[test]
fn calldata_of_plans_agrees() {
    let mut rng = random::rng("calldata");
    for _ in 0..CASES {
        let plan = plan(&mut rng);
        let theirs = [selector().to_vec(), abi::encode(&[plan_token(&plan)])].concat();
        assert_eq!(calldata::encode_execute(&plan).as_ref(), theirs, "{plan:?}");
    }
}

fn swap_plan(rng: &mut StdRng) -> SwapPlan {
    let swap = |rng: &mut StdRng| Swap {
        leg: Leg {
            venue: rng.random(),
            token_in: random::address(rng),
            token_out: random::address(rng),
            fee: rng.random_range(0..1 << 24),
        },
        amount_in: random::number(rng, 255),
        is_on_credit: rng.random(),
    };
    let swaps: Vec<Swap> = (0..rng.random_range(2..=SWAPS_MAX)).map(|_| swap(rng)).collect();
    let block_min = rng.random_range(0..=u64::MAX / 2);
    let window = (block_min, rng.random_range(block_min..=u64::MAX));
    SwapPlan::new(window, random::address(rng), random::number(rng, 256), &swaps).unwrap()
}

#[test]
fn calldata_of_plans_of_swaps_agrees() {
    let signature = "executeSwaps((uint64,uint64,address,uint256,((uint16,address,address,uint24),uint256,bool)[]))";
    let mut rng = random::rng("calldata of swaps");
    for _ in 0..CASES {
        let plan = swap_plan(&mut rng);
        let swap = |swap: &Swap| {
            let leg = Token::Tuple(leg_tokens(&swap.leg));
            Token::Tuple(vec![leg, Token::Uint(u256(swap.amount_in)), Token::Bool(swap.is_on_credit)])
        };
        let (block_min, block_max) = plan.block_window();
        let token = Token::Tuple(vec![
            number(block_min),
            number(block_max),
            Token::Address(h160(plan.token())),
            Token::Uint(u256(plan.profit_min())),
            Token::Array(plan.swaps().iter().map(swap).collect()),
        ]);
        let theirs = [utils::id(signature).to_vec(), abi::encode(&[token])].concat();
        assert_eq!(calldata::encode_execute_swaps(&plan).as_ref(), theirs, "{plan:?}");
    }
}

#[test]
fn addresses_of_pools_agree_for_both_kinds_of_salt() {
    let mut rng = random::rng("pools");
    for _ in 0..CASES {
        let (factory, hash) = (random::address(&mut rng), random::hash(&mut rng));
        let (token_0, token_1) = (random::address(&mut rng), random::address(&mut rng));
        let fee = alloy::primitives::U256::from(rng.random_range(0_u32..1 << 24));

        let ours = factory.create2(keccak256((token_0, token_1).abi_encode_packed()), hash);
        let packed = [token_0.into_array(), token_1.into_array()].concat();
        assert_eq!(h160(ours), create2(factory, &packed, hash));

        let ours = factory.create2(keccak256((token_0, token_1, fee).abi_encode()), hash);
        let tokens = [Token::Address(h160(token_0)), Token::Address(h160(token_1)), Token::Uint(u256(fee))];
        assert_eq!(h160(ours), create2(factory, &abi::encode(&tokens), hash));
    }
}

fn create2(factory: Address, salt_preimage: &[u8], hash: B256) -> H160 {
    utils::get_create2_address_from_hash(h160(factory), utils::keccak256(salt_preimage), hash.0)
}

fn wanted(rng: &mut StdRng) -> Wanted {
    // Costs must stay within 128 bits, or risk refuses.
    let fee_max: u128 = random::number(rng, 63).to();
    Wanted {
        chain_id: random::number(rng, 63).to(),
        nonce: random::number(rng, 63).to(),
        gas_limit: random::number(rng, 63).to(),
        fee_max,
        priority_fee: fee_max.min(random::number(rng, 63).to()),
        to: random::address(rng),
        calldata: [selector().to_vec(), random::bytes(rng, 700)].concat(),
    }
}

#[test]
fn signed_transactions_and_their_hashes_agree() {
    let mut rng = random::rng("transactions");
    for _ in 0..CASES {
        let (_, ours, theirs) = key(&mut rng);
        let wanted = wanted(&mut rng);
        let transaction = TypedTransaction::Eip1559(Eip1559TransactionRequest {
            from: None,
            to: Some(h160(wanted.to).into()),
            gas: Some(wanted.gas_limit.into()),
            value: Some(U256::zero()),
            data: Some(wanted.calldata.clone().into()),
            nonce: Some(wanted.nonce.into()),
            access_list: Default::default(),
            max_priority_fee_per_gas: Some(wanted.priority_fee.into()),
            max_fee_per_gas: Some(wanted.fee_max.into()),
            chain_id: Some(wanted.chain_id.into()),
        });
        let signature = theirs.with_chain_id(wanted.chain_id).sign_transaction_sync(&transaction).unwrap();
        let signed = approval::sign(&ours, &wanted).unwrap();
        assert_eq!(signed.raw.as_ref(), transaction.rlp_signed(&signature).as_ref(), "{wanted:?}");
        assert_eq!(signed.hash.0, transaction.hash(&signature).0, "{wanted:?}");
    }
}

fn password(rng: &mut StdRng) -> Vec<u8> {
    random::bytes(rng, 40)
}

#[test]
fn keystores_of_ours_open_in_theirs() {
    let mut rng = random::rng("keystores of ours");
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..KEYSTORES {
        let (_, ours, theirs) = key(&mut rng);
        let password = password(&mut rng);
        let path = keystore::create(folder.path(), None, &ours, &Secret::new(password.clone()), Cost::Light).unwrap();
        let opened = LocalWallet::decrypt_keystore(&path, &password).unwrap();
        assert_eq!(opened.signer().to_bytes(), theirs.signer().to_bytes());
        assert!(LocalWallet::decrypt_keystore(&path, b"another password, longer than 40 bytes, that is").is_err());
    }
}

#[test]
fn keystores_of_the_standard_cost_open_in_theirs() {
    let mut rng = random::rng("standard keystore");
    let folder = tempfile::tempdir().unwrap();
    let (bytes, ours, _) = key(&mut rng);
    let password = password(&mut rng);
    let path = keystore::create(folder.path(), None, &ours, &Secret::new(password.clone()), Cost::Standard).unwrap();
    let opened = LocalWallet::decrypt_keystore(&path, &password).unwrap();
    assert_eq!(<[u8; 32]>::from(opened.signer().to_bytes()), bytes);
}

#[test]
fn keystores_of_theirs_open_in_ours() {
    let mut rng = random::rng("keystores of theirs");
    let folder = tempfile::tempdir().unwrap();
    for index in 0..KEYSTORES {
        let (bytes, ours, _) = key(&mut rng);
        let (password, name) = (password(&mut rng), format!("theirs-{index}"));
        let mut thread_rng = ethers_core::rand::thread_rng();
        LocalWallet::encrypt_keystore(folder.path(), &mut thread_rng, bytes, &password, Some(&name)).unwrap();
        let opened = keystore::open(&folder.path().join(&name), &Secret::new(password)).unwrap();
        assert_eq!(opened.address(), ours.address());
    }
}

//! What the reader of the configuration says, in the words of whoever writes one.

/// What to do about a number that is too large or too small for any key.
const BY_SIZE: &str = "write a number of that size";

/// What is wrong, and what to do, from the reader's own message. What was found is repeated unless it is a text, which may be an endpoint
/// with a key in it.
pub(super) fn told(message: &str) -> (String, &'static str) {
    if let Some(rest) = message.strip_prefix("unknown field `") {
        return (unknown(rest), "correct the spelling or remove the key");
    }
    if message == "integer number overflowed" {
        return (format!("the number is far too large, expected {}", expected_words("u64", true)), BY_SIZE);
    }
    let kinds = ["invalid type: ", "invalid value: "];
    let mismatch = kinds.into_iter().find_map(|kind| message.strip_prefix(kind)?.rsplit_once(", expected "));
    let Some((found, expected)) = mismatch else { return (message.to_owned(), "write it as expected") };
    // The reader counts in 128 bits what does not go into 64.
    let is_wide = found.starts_with("integer ") && found.ends_with("` as i128") | found.ends_with("` as u128");
    let next = match expected {
        _ if is_wide && matches!(expected, "u64" | "i64") => BY_SIZE,
        "a string" => "write it in quotes; quantities with their unit, such as \"100 gwei\"",
        _ if found.starts_with("string ") && !is_table(expected) => "write it without quotes, as expected",
        _ => "write it as expected",
    };
    (format!("found {}, expected {}", found_words(found), expected_words(expected, is_wide)), next)
}

/// `rest` is the key, and those that there are.
fn unknown(rest: &str) -> String {
    let (key, known) = rest.rsplit_once("`, expected ").unwrap_or((rest.split('`').next().unwrap_or_default(), ""));
    // What is quoted, of `a`, `b` or one of `a`, `b`, `c`.
    let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    match nearest(key, &known) {
        Some(near) => format!("unknown key `{key}`; did you mean `{near}`?"),
        None if known.is_empty() => format!("unknown key `{key}`; there are none here"),
        None => format!("unknown key `{key}`; here there are {}", known.join(", ")),
    }
}

fn found_words(found: &str) -> String {
    let (kind, value) = found.split_once(' ').unwrap_or((found, ""));
    match kind {
        // Texts are not repeated.
        "string" => "a text".to_owned(),
        "integer" | "boolean" => value.trim_start_matches('`').split('`').next().unwrap_or_default().to_owned(),
        "floating" => format!("the fraction {}", value.trim_start_matches("point ").trim_matches('`')),
        "sequence" => "a list".to_owned(),
        "map" => "a table".to_owned(),
        _ => found.to_owned(),
    }
}

/// `is_wide` says that a number was found which its size alone makes wrong.
fn expected_words(expected: &str, is_wide: bool) -> &str {
    match expected {
        "u64" if is_wide => "a whole number from 0 to 18446744073709551615",
        "i64" if is_wide => "a whole number from -9223372036854775808 to 9223372036854775807",
        "u64" => "a whole number from 0 on",
        "i64" => "a whole number",
        "a boolean" => "true or false",
        "a string" => "a text in quotes",
        "a sequence" => "a list, in brackets",
        "a map" => "a table of names and values",
        _ if is_table(expected) => "a table of keys",
        other => other,
    }
}

fn is_table(expected: &str) -> bool {
    expected.starts_with("struct ")
}

/// The known key that is written most like this one, if one is so much like it that it may have been meant.
fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known.iter().map(|known| (distance(key, known), *known)).min()?;
    (near.0 <= key.chars().count().div_ceil(3)).then_some(near.1)
}

/// Letters to insert, remove or replace, to make one of the other (Levenshtein's distance, row by row).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.chars().enumerate() {
        let mut diagonal = core::mem::replace(&mut row[0], above + 1);
        for (at, known) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *known);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_is_that_of_the_textbook() {
        for (one, other, expected) in
            [("kitten", "sitting", 3), ("", "abc", 3), ("abc", "", 3), ("flaw", "lawn", 2), ("a", "a", 0)]
        {
            assert_eq!(distance(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn no_type_of_the_program_and_no_text_of_the_file_is_repeated() {
        for (said, expected) in [
            (
                "invalid type: string \"wss://k\", expected u64\", expected u64",
                "found a text, expected a whole number from 0 on",
            ),
            ("invalid value: integer `-1`, expected u64", "found -1, expected a whole number from 0 on"),
            ("invalid type: integer `1`, expected a boolean", "found 1, expected true or false"),
            ("invalid type: floating point `1.5`, expected i64", "found the fraction 1.5, expected a whole number"),
            ("invalid type: map, expected a sequence", "found a table, expected a list, in brackets"),
            ("invalid type: string \"x\", expected struct RawRisk", "found a text, expected a table of keys"),
            ("unknown field `idd`, expected `id` or `endpoint`", "unknown key `idd`; did you mean `id`?"),
            ("unknown field `speed`, expected `id`", "unknown key `speed`; here there are id"),
            ("unknown field `a`, there are no fields", "unknown key `a`; there are none here"),
            (
                "invalid value: integer `18446744073709551616` as i128, expected u64",
                "found 18446744073709551616, expected a whole number from 0 to 18446744073709551615",
            ),
            (
                "invalid value: integer `-9223372036854775809` as i128, expected i64",
                "found -9223372036854775809, expected a whole number from -9223372036854775808 to 9223372036854775807",
            ),
            (
                "invalid type: integer `18446744073709551616` as i128, expected a boolean",
                "found 18446744073709551616, expected true or false",
            ),
            (
                "integer number overflowed",
                "the number is far too large, expected a whole number from 0 to 18446744073709551615",
            ),
            ("something else", "something else"),
        ] {
            assert_eq!(told(said).0, expected);
        }
    }
}

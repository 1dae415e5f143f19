//! Messages of serde in plain words, without names of Rust's types.

/// Names of types that serde writes after `expected`, and plain words for them.
const TYPES: [(&str, &str); 9] = [
    ("u8", "a whole number"),
    ("u16", "a whole number from 0 to 65535"),
    ("u32", "a whole number"),
    ("u64", "a whole number"),
    ("i32", "a whole number"),
    ("i64", "a whole number"),
    ("a sequence", "a list"),
    ("a map", "an object"),
    ("a boolean", "true or false"),
];

/// Rewrites the message of serde about a wrong value.
pub fn plain(text: &str) -> String {
    if let Some((given, known)) =
        text.strip_prefix("unknown variant `").and_then(|rest| rest.split_once("`, expected "))
    {
        let known = known.trim_start_matches("one of ").replace('`', "").replace(" or ", ", ");
        return format!("{given:?} is not one of {known}");
    }
    if let Some(field) = text.strip_prefix("missing field `") {
        return format!("{} is missing", field.trim_end_matches('`'));
    }
    let rest = ["invalid type: ", "invalid value: "].into_iter().find_map(|start| text.strip_prefix(start));
    match rest.and_then(|rest| rest.rsplit_once(", expected ")) {
        Some((given, expected)) => format!("expected {}, got {}", wanted(expected), got(given)),
        None => text.to_owned(),
    }
}

fn wanted(expected: &str) -> &str {
    let is_type = expected.starts_with(|first: char| first.is_ascii_uppercase())
        && expected.chars().all(|letter| letter.is_ascii_alphanumeric());
    match TYPES.iter().find(|(name, _)| *name == expected) {
        Some((_, plain)) => plain,
        None if is_type || expected.starts_with("struct ") => "an object",
        None => expected,
    }
}

fn got(given: &str) -> String {
    let numbers = ["integer `", "floating point `", "number `"];
    if let Some(number) = numbers.into_iter().find_map(|start| given.strip_prefix(start)) {
        return format!("the number {}", number.trim_end_matches('`'));
    }
    match given {
        "sequence" => "a list".to_owned(),
        "map" => "an object".to_owned(),
        "null" | "unit value" => "nothing".to_owned(),
        _ => match (given.strip_prefix("boolean `"), given.strip_prefix("string ")) {
            (Some(truth), _) => truth.trim_end_matches('`').to_owned(),
            (None, Some(text)) => format!("the text {text}"),
            (None, None) => given.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;
    use crate::vocabulary::InstanceType;

    fn of<T: DeserializeOwned>(value: Value) -> String {
        plain(&serde_json::from_value::<T>(value).err().map(|error| error.to_string()).unwrap_or_default())
    }

    #[test]
    fn messages_of_serde_have_plain_words() {
        for (said, expected) in [
            (of::<u32>(json!("x")), "expected a whole number, got the text \"x\""),
            (of::<u16>(json!(99999)), "expected a whole number from 0 to 65535, got the number 99999"),
            (of::<u32>(json!(1.5)), "expected a whole number, got the number 1.5"),
            (of::<u32>(json!(-1)), "expected a whole number, got the number -1"),
            (of::<String>(json!(true)), "expected a string, got true"),
            (of::<String>(Value::Null), "expected a string, got nothing"),
            (of::<Vec<u8>>(json!({})), "expected a list, got an object"),
            (of::<bool>(json!([])), "expected true or false, got a list"),
            (of::<k8s_openapi::api::core::v1::PodSpec>(json!(3)), "expected an object, got the number 3"),
            (of::<crate::account::Want>(json!(3)), "expected an object, got the number 3"),
        ] {
            assert_eq!(said, expected);
        }
        assert!(serde_json::from_value::<InstanceType>(json!("box")).is_err());
        let variant = "unknown variant `frob`, expected one of `add`, `remove`, `test`";
        assert_eq!(plain(variant), "\"frob\" is not one of add, remove, test");
        assert_eq!(plain("unknown variant `a`, expected `b` or `c`"), "\"a\" is not one of b, c");
        assert_eq!(plain("missing field `size`"), "size is missing");
    }
}

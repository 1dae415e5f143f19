//! Messages of libraries in plain words, without names of Rust's types.

use serde_json::Value;

use cmp_core::keys;

/// Names of types that serde writes after `expected`, and plain words for them.
const TYPES: [(&str, &str); 8] = [
    ("u8", "a whole number"),
    ("u16", "a whole number from 0 to 65535"),
    ("u32", "a whole number"),
    ("u64", "a whole number"),
    ("i64", "a whole number"),
    ("a sequence", "a list"),
    ("a map", "an object"),
    ("a boolean", "true or false"),
];

/// Rewrites the message of serde about a wrong value.
pub(crate) fn typed(text: &str) -> String {
    let mut text = text.replace("integer `", "number `").replace("floating point `", "number `");
    if let Some((before, expected)) = text.rsplit_once(", expected ")
        && let Some((_, plain)) = TYPES.iter().find(|(name, _)| *name == expected)
    {
        text = format!("{before}, expected {plain}");
    }
    text
}

/// Describes an object of a file that is not of the expected type.
pub(crate) fn other_type(object: &Value, expected: &str) -> String {
    let has = match (object["kind"].as_str(), object["apiVersion"].as_str()) {
        (Some(kind), Some(version)) => format!("a {kind:?} of {version:?}"),
        (Some(kind), None) => format!("a {kind:?} without an apiVersion"),
        (None, _) if object.is_object() => "an object without a kind".to_owned(),
        (None, _) => "a value that is not an object".to_owned(),
    };
    format!("the file has {has}; only {expected} of {} is allowed", keys::API_VERSION)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_of_libraries_have_plain_words() {
        assert_eq!(
            typed("invalid type: string \"x\", expected u32"),
            "invalid type: string \"x\", expected a whole number"
        );
        assert_eq!(
            typed("invalid value: integer `99999`, expected u16"),
            "invalid value: number `99999`, expected a whole number from 0 to 65535"
        );
        assert_eq!(typed("missing field `size`"), "missing field `size`");
    }

    #[test]
    fn another_type_is_named_with_what_is_missing() {
        let check = |object: Value, expected: &str| {
            let said = other_type(&object, "a Cluster");
            assert_eq!(said, format!("the file has {expected}; only a Cluster of kubectl-cmp.dev/v1 is allowed"));
        };
        check(json!({ "kind": "Foo", "apiVersion": "v1" }), "a \"Foo\" of \"v1\"");
        check(json!({ "kind": "Foo" }), "a \"Foo\" without an apiVersion");
        check(json!({ "apiVersion": "v1" }), "an object without a kind");
        check(json!([]), "a value that is not an object");
        check(json!(3), "a value that is not an object");
    }

    /// Reads the transcripts, which hold the answers to many wrong inputs.
    #[test]
    fn no_transcript_has_words_of_libraries() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/transcripts");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.extension().is_none_or(|ending| ending != "md") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for line in text.lines().filter(|line| line.starts_with("error: ") || line.starts_with("hint: ")) {
                let words =
                    ["os error", " u8", " u16", " u32", " u64", " i64", " of null", "floating point", "Some(", "None)"];
                let found = words.into_iter().find(|word| line.contains(word));
                assert_eq!(found, None, "{}: {line}", path.display());
                seen += 1;
            }
        }
        assert!(seen > 200, "only {seen} messages were found");
    }
}

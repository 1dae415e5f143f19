//! Messages about objects of files, and a check that no recorded message has words of libraries.

use serde_json::Value;

use cmp_core::keys;

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
                let words = [
                    "invalid type",
                    "unknown variant",
                    "os error",
                    " u8",
                    " u16",
                    " u32",
                    " u64",
                    " i64",
                    " of null",
                    "floating point",
                    "Some(",
                    "None)",
                ];
                let found = words.into_iter().find(|word| line.contains(word));
                assert_eq!(found, None, "{}: {line}", path.display());
                seen += 1;
            }
        }
        assert!(seen > 200, "only {seen} messages were found");
    }
}

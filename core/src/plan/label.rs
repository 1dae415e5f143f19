//! `label` and `annotate cluster`: other labels or annotations of a cluster.

use crate::account::{Account, Want};
use crate::labels::{Field, Invalid, Pairs};
use crate::name::ClusterName;
use crate::plan::refusal::Refusal;
use crate::plan::write::{Write, current, other_want};

/// The pairs to set and to remove. The others stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The field that changes.
    pub field: Field,
    /// The pairs to set, in the order in which they were given.
    pub set: Vec<(String, String)>,
    /// The keys to remove, in the order in which they were given.
    pub remove: Vec<String>,
    /// Whether existing values may be replaced.
    pub overwrite: bool,
}

/// Checks a wish before anything is read.
pub fn check(wish: &Wish) -> Result<(), Refusal> {
    let Wish { field, set, remove, .. } = wish;
    let one = field.one();
    if set.is_empty() && remove.is_empty() {
        return Err(Refusal::wish(format!("at least one {one} update is required"))
            .hint("set a value with KEY=VALUE, and remove a key with KEY-"));
    }
    for (at, (key, value)) in set.iter().enumerate() {
        field.check(key, value).map_err(|wrong| invalid(&wrong))?;
        if remove.contains(key) {
            return Err(Refusal::wish(format!("can not both modify and remove the {one} {key:?} in the same command")));
        }
        if set.iter().take(at).any(|(earlier, _)| earlier == key) {
            return Err(Refusal::wish(format!("the {one} {key:?} is given twice")).hint("give each key once"));
        }
    }
    Ok(())
}

/// Returns the refusal of an invalid pair.
pub fn invalid(invalid: &Invalid) -> Refusal {
    Refusal::wish(invalid.to_string())
}

/// Returns the keys that are to be removed, and that the cluster does not have.
pub fn missing<'a>(wish: &'a Wish, name: &ClusterName, account: &Account) -> Result<Vec<&'a str>, Refusal> {
    let want = current(account, name)?;
    let has = |key: &&str| wish.field.of(&want).contains_key(*key);
    Ok(wish.remove.iter().map(String::as_str).filter(|key| !has(key)).collect())
}

/// Plans the write on one version of the account.
pub fn write(wish: &Wish, name: &ClusterName, account: &Account) -> Result<Write, Refusal> {
    let pairs = changed(wish, &current(account, name)?)?;
    other_want(account, name, |want| wish.field.set(want, pairs))
}

fn changed(wish: &Wish, want: &Want) -> Result<Pairs, Refusal> {
    let mut pairs = wish.field.of(want).clone();
    for key in &wish.remove {
        pairs.remove(key);
    }
    for (key, value) in &wish.set {
        let old = pairs.insert(key.clone(), value.clone());
        if let Some(old) = old.filter(|old| old != value && !wish.overwrite) {
            return Err(Refusal::wish(format!("'{key}' already has a value ({old}), and --overwrite is false")));
        }
    }
    Ok(pairs)
}

/// Returns kubectl's word for the result. `is_changed` reports whether the want differs.
pub fn word(wish: &Wish, is_changed: bool) -> &'static str {
    match wish.field {
        Field::Annotations => "annotated",
        Field::Labels if !is_changed => "not labeled",
        Field::Labels if wish.set.is_empty() => "unlabeled",
        Field::Labels => "labeled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::tests::{account, name};
    use crate::plan::tests::{WEB, written};

    /// Reads a wish from words such as `a=b` and `c-`.
    fn wish(field: Field, words: &str, overwrite: bool) -> Wish {
        let words = words.split_whitespace();
        let (set, remove): (Vec<&str>, Vec<&str>) = words.partition(|word| word.contains('='));
        let pair = |word: &str| word.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
        Wish {
            field,
            set: set.into_iter().filter_map(pair).collect(),
            remove: remove.iter().map(|key| key.trim_end_matches('-').to_owned()).collect(),
            overwrite,
        }
    }

    #[test]
    fn a_wish_names_each_key_once_and_in_one_way() {
        let check = |field, words: &str, expected: &str| {
            let said = check(&wish(field, words, false)).err().map(|refusal| refusal.to_string()).unwrap_or_default();
            assert_eq!(said, expected, "{words}");
        };
        check(Field::Labels, "a=b c-", "");
        check(
            Field::Annotations,
            "",
            "at least one annotation update is required\nhint: set a value with KEY=VALUE, and remove a key with KEY-",
        );
        check(Field::Labels, "a=b a-", "can not both modify and remove the label \"a\" in the same command");
        check(Field::Labels, "a=b a=c", "the label \"a\" is given twice\nhint: give each key once");
        check(
            Field::Labels,
            "kubectl-cmp.dev/owner=mary",
            "labels: the key \"kubectl-cmp.dev/owner\" is reserved for cmp: use another domain, or none",
        );
        // A reserved or invalid key that was stored unasked can be removed.
        check(Field::Labels, "kubectl-cmp.dev/owner- _-", "");
    }

    #[test]
    fn pairs_are_set_replaced_and_removed() {
        let has = |pairs: &str| WEB.replace("}}", &format!("}},{pairs}}}"));
        let (plain, labelled) = (WEB.to_owned(), has(r#""labels":{"a":"b"}"#));
        let other = has(r#""labels":{"a":"c"}"#);
        let annotated = has(r#""annotations":{"a":"b c"}"#);
        let stored = |want: &str| format!("want.web: {want}");
        for (field, words, overwrite, before, expected, word_then) in [
            (Field::Labels, "a=b", false, &plain, stored(&labelled), "labeled"),
            (Field::Labels, "a=b", false, &labelled, String::new(), "not labeled"),
            (Field::Labels, "a=c", true, &labelled, stored(&other), "labeled"),
            (Field::Labels, "a-", false, &labelled, stored(&plain), "unlabeled"),
            (Field::Labels, "x-", false, &labelled, String::new(), "not labeled"),
            (Field::Annotations, "a-", false, &annotated, stored(&plain), "annotated"),
            (
                Field::Labels,
                "a=c",
                false,
                &labelled,
                "'a' already has a value (b), and --overwrite is false".to_owned(),
                "",
            ),
        ] {
            let (wish, account) = (wish(field, words, overwrite), account(&[("want.web", before)]));
            let planned = write(&wish, &name("web"), &account);
            if let Ok(write) = &planned {
                assert_eq!(word(&wish, !write.change.is_empty()), word_then, "{words}");
            }
            assert_eq!(written(planned), expected, "{words} {before}");
        }
        let account = account(&[("want.web", &labelled)]);
        assert_eq!(missing(&wish(Field::Labels, "a- x- y-", false), &name("web"), &account), Ok(vec!["x", "y"]));
    }
}

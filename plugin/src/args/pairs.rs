//! Arguments of `label` and `annotate`: the clusters, and the pairs to set and to remove.

use clap::Args;

use cmp_core::name::{ClusterName, UserName};

use crate::args::change::ChangeArgs;
use crate::args::clusters::WhichClusters;
use crate::args::values::name;
use crate::error::CliError;
use crate::output::selector::Selector;

/// A word of `label` or `annotate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    /// The name of a cluster.
    Name(ClusterName),
    /// A value to set, with its key.
    Set(String, String),
    /// A key to remove.
    Remove(String),
}

#[derive(Debug, Args)]
pub(crate) struct PairArgs {
    /// The names of the clusters, then KEY=VALUE to set a value, and KEY- to remove one
    #[arg(value_name = "NAME|KEY=VALUE|KEY-", value_parser = word)]
    pub(crate) words: Vec<Word>,
    /// Replace existing values
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Select all of your clusters
    #[arg(long)]
    pub(crate) all: bool,
    /// Select the clusters of all users (administrators)
    #[arg(short = 'A', long, conflicts_with = "owner")]
    pub(crate) all_namespaces: bool,
    /// The owner of the clusters (administrators)
    #[arg(long, value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) owner: Option<UserName>,
    /// Selector (label query) to filter on, such as app=web,tier!=db
    #[arg(short = 'l', long, value_name = "SELECTOR", value_parser = Selector::read)]
    pub(crate) selector: Option<Selector>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

/// The pairs to set and the keys to remove.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pairs {
    pub(crate) set: Vec<(String, String)>,
    pub(crate) remove: Vec<String>,
}

impl PairArgs {
    /// Splits the words into clusters and pairs. Names come first, as kubectl requires.
    pub(crate) fn split(self, field: &str) -> Result<(WhichClusters, Pairs, ChangeArgs), CliError> {
        let Self { words, all, all_namespaces, owner, selector, change, .. } = self;
        let (mut names, mut pairs) = (Vec::new(), Pairs::default());
        for word in words {
            match word {
                Word::Name(name) if pairs == Pairs::default() => names.push(name),
                Word::Name(name) => {
                    return Err(CliError::user(format!(
                        "all clusters must be specified before {field} changes: {name}"
                    )));
                }
                Word::Set(key, value) => pairs.set.push((key, value)),
                Word::Remove(key) => pairs.remove.push(key),
            }
        }
        let which = WhichClusters { names, all, all_namespaces, owner, selector };
        let query = [
            (which.all, "--all"),
            (which.all_namespaces, "--all-namespaces"),
            (which.selector.is_some(), "--selector"),
        ];
        if let Some((_, flag)) = query.iter().find(|(given, _)| *given && !which.names.is_empty()) {
            return Err(CliError::user(format!("a name cannot be used with {flag}"))
                .hint("name the clusters, or select them by a flag"));
        }
        Ok((which, pairs, change))
    }
}

/// Parses a word. A name has no `=`, and no `-` at its end.
fn word(text: &str) -> Result<Word, String> {
    if let Some((key, value)) = text.split_once('=') {
        return Ok(Word::Set(key.to_owned(), value.to_owned()));
    }
    match text.strip_suffix('-') {
        Some("") => Err(format!("{text:?} names no key: remove a key with KEY-")),
        Some(key) => Ok(Word::Remove(key.to_owned())),
        None => name::<ClusterName>(text).map(Word::Name),
    }
}

/// Parses a label to set.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) =
        text.split_once('=').ok_or_else(|| format!("{text:?} is not a label: use a form such as app=web"))?;
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        args: PairArgs,
    }

    #[test]
    fn words_are_names_first_and_then_pairs() {
        let check = |typed: &str, expected: &str| {
            let typed = Typed::try_parse_from(std::iter::once("label").chain(typed.split_whitespace())).unwrap();
            let said = match typed.args.split("label") {
                Ok((which, pairs, _)) => {
                    let names: Vec<&str> = which.names.iter().map(ClusterName::as_str).collect();
                    let set: Vec<String> = pairs.set.iter().map(|(key, value)| format!("{key}={value}")).collect();
                    format!("{} set {} remove {}", names.join(","), set.join(","), pairs.remove.join(","))
                }
                Err(error) => error.text(),
            };
            assert_eq!(said.trim_end(), expected);
        };
        check("web cluster/db a=b c= example.com/d-", "web,db set a=b,c= remove example.com/d");
        check("--all a=b=c", " set a=b=c remove");
        check("web", "web set  remove");
        check("web a=b db", "error: all clusters must be specified before label changes: db");
        check(
            "web a=b --all",
            "error: a name cannot be used with --all\nhint: name the clusters, or select them by a flag",
        );
        assert!(Typed::try_parse_from(["label", "Web", "a=b"]).is_err());
        assert!(Typed::try_parse_from(["label", "web", "-"]).is_err());
        assert_eq!(pair("app=web"), Ok(("app".to_owned(), "web".to_owned())));
        assert!(pair("app").unwrap_err().contains("use a form such as app=web"));
    }
}

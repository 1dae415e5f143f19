//! The line that describes an error of the command line, from its kind and its parts. Nothing of clap's own text is in it.

use std::error::Error;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::args::nouns::noun;

/// Returns one line that describes the error.
pub(crate) fn message(error: &clap::Error) -> String {
    let argument = text(error, ContextKind::InvalidArg).unwrap_or_default();
    let value = text(error, ContextKind::InvalidValue).unwrap_or_default();
    let valid = text(error, ContextKind::ValidValue).unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument if argument.starts_with('-') => format!("unknown flag: {argument}"),
        ErrorKind::UnknownArgument => format!("unexpected argument {argument:?}"),
        ErrorKind::MissingRequiredArgument => {
            // Names come first, in the order in which they are typed. clap lists flags first.
            let (names, flags): (Vec<&str>, Vec<&str>) =
                argument.split(", ").partition(|argument| argument.starts_with('<'));
            format!("missing: {}", [names, flags].concat().join(", "))
        }
        ErrorKind::ArgumentConflict => conflict(&argument, &texts(error, ContextKind::PriorArg)),
        ErrorKind::TooManyValues => format!("{} takes no value", without_value(&argument)),
        ErrorKind::NoEquals => {
            let flag = without_value(&argument);
            format!("{flag} takes its value after =, as in {flag}=VALUE")
        }
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            format!("{argument} needs another number of values")
        }
        ErrorKind::InvalidValue if value.is_empty() && valid.is_empty() => format!("{argument} needs a value"),
        ErrorKind::InvalidValue if value.is_empty() => format!("{argument} needs a value: one of {valid}"),
        ErrorKind::InvalidValue => format!("invalid value '{value}' for '{}': use one of {valid}", shown(&argument)),
        ErrorKind::ValueValidation => {
            let why = error.source().map(|why| format!(": {why}")).unwrap_or_default();
            format!("invalid value '{value}' for '{}'{why}", shown(&argument))
        }
        ErrorKind::InvalidUtf8 => "an argument is not valid UTF-8".to_owned(),
        kind => kind.to_string(),
    }
}

/// Returns a part of an error as text.
pub(super) fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => Some(texts.join(", ")),
        _ => None,
    }
}

/// Returns a part of an error that may have several texts.
fn texts(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

/// Describes arguments that exclude each other, or a flag that is given twice. Names come first.
fn conflict(argument: &str, others: &[String]) -> String {
    if others.iter().any(|other| other == argument) {
        return format!("{} is given twice", words(argument));
    }
    match others {
        [] => format!("{} cannot be used with other arguments", words(argument)),
        [other] if is_flag(argument) && !is_flag(other) => {
            format!("{} cannot be used with {}", words(other), words(argument))
        }
        others => {
            let others: Vec<String> = others.iter().map(|other| words(other)).collect();
            format!("{} cannot be used with {}", words(argument), others.join(" or "))
        }
    }
}

fn is_flag(argument: &str) -> bool {
    argument.starts_with('-')
}

/// Returns the words for an argument in a sentence: a flag without its value, or "a name" for `[NAME]...`.
fn words(argument: &str) -> String {
    if is_flag(argument) {
        return without_value(argument).to_owned();
    }
    if argument.is_empty() {
        // The type that a command takes instead of the flag.
        return "a type".to_owned();
    }
    let name = argument.trim_matches(['[', ']', '<', '>', '.']).to_lowercase();
    noun(&name).map_or_else(|| format!("a {name}"), |what| format!("the name of {what}"))
}

/// Returns a flag as it is typed, without the notation of its value.
fn without_value(argument: &str) -> &str {
    argument.split([' ', '[', '=']).next().unwrap_or_default()
}

/// Returns an argument with the name of its value. The brackets of an optional value would only say what the help says.
fn shown(argument: &str) -> &str {
    if is_flag(argument) && argument.contains('[') { without_value(argument) } else { argument }
}

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::*;
    use crate::command_line;

    /// Visits a command and all of its subcommands.
    fn each(command: &Command, look: &mut impl FnMut(&Command)) {
        look(command);
        command.get_subcommands().for_each(|below| each(below, look));
    }

    #[test]
    fn arguments_that_exclude_each_other_are_named_in_words() {
        let (mut root, mut seen) = (command_line::command(), 0);
        root.build();
        each(&root, &mut |command| {
            for one in command.get_arguments() {
                for other in command.get_arg_conflicts_with(one) {
                    let said = conflict(&one.to_string(), &[other.to_string()]);
                    let plain = |letter: char| letter.is_ascii_alphanumeric() || "- ".contains(letter);
                    assert!(said.chars().all(plain), "{said}");
                    seen += 1;
                }
            }
        });
        assert!(seen > 40, "only {seen} pairs were found");
    }

    #[test]
    fn a_conflict_names_the_names_first() {
        let check = |argument: &str, others: &[&str], expected: &str| {
            let others: Vec<String> = others.iter().map(|other| (*other).to_owned()).collect();
            assert_eq!(conflict(argument, &others), expected);
        };
        check("[NAME]...", &["--all"], "a name cannot be used with --all");
        check("--selector <SELECTOR>", &["[NAME]..."], "a name cannot be used with --selector");
        check("[USER]", &["--all-namespaces"], "the name of a user cannot be used with --all-namespaces");
        check("", &["--all"], "a type cannot be used with --all");
        check("--watch", &["--sort-by <FIELD>"], "--watch cannot be used with --sort-by");
        check(
            "--filename <FILE>",
            &["--cpu <CPU>", "--memory <MEMORY>"],
            "--filename cannot be used with --cpu or --memory",
        );
        check("--mirror[=<BOOL>]", &["--mirror[=<BOOL>]"], "--mirror is given twice");
        check("--all", &[], "--all cannot be used with other arguments");
    }

    #[test]
    fn an_error_without_a_message_of_ours_has_no_usage_in_it() {
        let error = |kind, parts: &[(ContextKind, &str)]| {
            let mut error = clap::Error::new(kind);
            for (part, text) in parts {
                error.insert(*part, ContextValue::String((*text).to_owned()));
            }
            message(&error)
        };
        let argument = (ContextKind::InvalidArg, "--wait[=<ssh[:PORT]>]");
        assert_eq!(error(ErrorKind::NoEquals, &[argument]), "--wait takes its value after =, as in --wait=VALUE");
        assert_eq!(error(ErrorKind::TooManyValues, &[argument]), "--wait takes no value");
        assert_eq!(error(ErrorKind::InvalidUtf8, &[]), "an argument is not valid UTF-8");
        let value = (ContextKind::InvalidValue, "ftp");
        assert_eq!(error(ErrorKind::ValueValidation, &[argument, value]), "invalid value 'ftp' for '--wait'");
    }
}

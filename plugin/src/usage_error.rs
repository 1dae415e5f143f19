//! Usage errors in kubectl's form instead of clap's: one line with the error, and where to read more.

use std::ffi::OsString;

use clap::error::{ContextKind, ErrorKind};
use clap::{Arg, Command};

use cmp_core::name::{ClusterName, InstanceName};

use crate::args::nouns::noun;
use crate::error::CliError;

mod habits;
mod kubectl;
mod message;

use habits::{belongs, elsewhere, known_as, login};
pub(crate) use message::message;
use message::text;

/// Converts an error of clap into an error for the user, with hints.
pub(crate) fn error(root: &Command, error: &clap::Error, typed: &[OsString]) -> CliError {
    let (path, command) = deepest(root, typed);
    let help = format!("see '{path} --help' for usage");
    match error.kind() {
        ErrorKind::InvalidSubcommand => return unknown(error, &path, command, typed).hint(help),
        ErrorKind::MissingSubcommand => return missing(&path, command).hint(help),
        _ => {}
    }
    let argument = text(error, ContextKind::InvalidArg).unwrap_or_default();
    if error.kind() == ErrorKind::UnknownArgument && argument.starts_with('-') {
        if let Some(below) = types_with(command, &argument) {
            return CliError::user(format!("{path} needs a type before {argument}: {below}")).hint(help);
        }
        if let Some((flag, value)) = negative(&argument, typed) {
            return CliError::user(format!("invalid value '{value}' for '{flag}': it must not be negative")).hint(help);
        }
    }
    let mut said = CliError::user(message(error));
    let hint = match error.kind() {
        ErrorKind::UnknownArgument => of_switch(&argument, command, typed)
            .or_else(|| belongs(&argument, &path))
            .or_else(|| elsewhere(&argument, &path)),
        ErrorKind::MissingRequiredArgument if argument.contains("<COMMAND>") && path.ends_with(" exec") => {
            Some("the command comes after --: kubectl cmp exec -it INSTANCE -- sh".to_owned())
        }
        ErrorKind::ValueValidation => {
            let value = text(error, ContextKind::InvalidValue).unwrap_or_default();
            let object = || kubectl::command_for_object(verb(&path), &value, namespace(typed).as_deref()).map(own);
            login(&path, &value).or_else(object)
        }
        _ => None,
    };
    let similar = || similar(error, command).map(|similar| format!("did you mean {similar}?"));
    if let Some(hint) = hint.or_else(similar) {
        said = said.hint(hint);
    }
    said.hint(help)
}

/// Returns the deepest command whose words were typed, and its path. The first word that is unknown there ends the path.
fn deepest<'a>(root: &'a Command, typed: &[OsString]) -> (String, &'a Command) {
    let (mut path, mut command) = ("kubectl cmp".to_owned(), root);
    let mut words = typed.iter().skip(1).map_while(|word| word.to_str());
    while let Some(word) = words.next() {
        if word.starts_with('-') {
            let Some(flag) = flag_of(command, word).or_else(|| flag_of(root, word)) else { break };
            let is_whole = word.starts_with("--") || word.chars().count() == 2;
            if is_whole && !word.contains('=') && flag.get_action().takes_values() && !flag.is_require_equals_set() {
                words.next();
            }
            continue;
        }
        let Some(next) = command.find_subcommand(word) else { break };
        path = format!("{path} {word}");
        command = next;
    }
    (path, command)
}

/// Returns the flag of a command that a word gives, with or without its value.
fn flag_of<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let long = word.strip_prefix("--").map(|flag| flag.split('=').next().unwrap_or_default());
    let short = word.strip_prefix('-').filter(|_| long.is_none()).and_then(|flag| flag.chars().next());
    let is =
        |flag: &&Arg| (long.is_some() && flag.get_long() == long) || (short.is_some() && flag.get_short() == short);
    command.get_arguments().find(is)
}

/// Returns the types of a verb that take a flag, if the flag stands where the type belongs.
fn types_with(verb: &Command, flag: &str) -> Option<String> {
    let nouns = verb
        .get_subcommands()
        .filter(|noun| self::noun(noun.get_name()).is_some())
        .filter(|noun| flag_of(noun, flag).is_some());
    let names: Vec<&str> = nouns.map(Command::get_name).collect();
    (!names.is_empty()).then(|| names.join(" or "))
}

/// Returns the flag before a negative value, and the value. clap takes the start of the value, such as `-3`, for a flag.
fn negative<'a>(argument: &str, typed: &'a [OsString]) -> Option<(&'a str, &'a str)> {
    argument.strip_prefix('-').filter(|value| value.starts_with(|letter: char| letter.is_ascii_digit()))?;
    let words: Vec<&str> = typed.iter().filter_map(|typed| typed.to_str()).collect();
    let mut pairs = words.iter().copied().zip(words.iter().copied().skip(1));
    pairs.find(|(flag, value)| flag.starts_with('-') && value.starts_with(argument))
}

/// Returns the verb of the command at a path, without the type after it.
fn verb(path: &str) -> &str {
    let words = path.strip_prefix("kubectl cmp ").unwrap_or_default();
    words.rsplit_once(' ').filter(|(_, last)| noun(last).is_some()).map_or(words, |(verb, _)| verb)
}

/// Builds the error for a command line that ends before its command or its type.
fn missing(path: &str, command: &Command) -> CliError {
    let below: Vec<&str> =
        command.get_subcommands().filter(|below| !below.is_hide_set()).map(Command::get_name).collect();
    let what = match path {
        "kubectl cmp" => "a command".to_owned(),
        _ if below.iter().any(|word| noun(word).is_some()) => format!("a type: {}", below.join(" or ")),
        _ => format!("one of {}", below.join(", ")),
    };
    CliError::user(format!("{path} needs {what}"))
}

/// Explains a superfluous word that is the value of the switch before it: `--mirror false`.
fn of_switch(word: &str, command: &Command, typed: &[OsString]) -> Option<String> {
    let words: Vec<&str> = typed.iter().filter_map(|typed| typed.to_str()).collect();
    let is_switch = |flag: &str| flag_of(command, flag).is_some_and(Arg::is_require_equals_set);
    let mut pairs = words.iter().zip(words.iter().skip(1)).filter(|_| !word.starts_with('-'));
    let (flag, _) = pairs.find(|(flag, value)| **value == word && flag.starts_with("--") && is_switch(flag))?;
    Some(format!("a switch takes its value after =: {flag}={word}"))
}

/// Suggests a command of kubectl.
fn own(mut command: String) -> String {
    command.insert_str(0, "perhaps kubectl's own: ");
    command
}

/// Returns the suggestion of clap, if it is a flag of the same command.
fn similar(error: &clap::Error, command: &Command) -> Option<String> {
    let similar = text(error, ContextKind::SuggestedArg)?;
    let name = similar.strip_prefix("--")?;
    command.get_arguments().any(|argument| argument.get_long() == Some(name)).then_some(similar)
}

/// Builds the error for a word in the place of a command or a type.
fn unknown(error: &clap::Error, path: &str, command: &Command, typed: &[OsString]) -> CliError {
    let word = text(error, ContextKind::InvalidSubcommand).unwrap_or_default();
    match path.strip_prefix("kubectl cmp ") {
        Some(verb) => unknown_type(error, (path, verb), command, &word, typed),
        None => unknown_command(error, command, &word),
    }
}

/// Builds the error for a word in the place of a command.
fn unknown_command(error: &clap::Error, root: &Command, word: &str) -> CliError {
    let error_of = CliError::user(format!("unknown command {word:?} for \"kubectl cmp\""));
    if ["kubectl", "cmp"].contains(&word) {
        return error_of.hint(format!("leave out the second {word}: kubectl cmp COMMAND"));
    }
    if let Some(small) = root.find_subcommand(word.to_lowercase()) {
        return error_of.hint(format!("did you mean {}?", small.get_name()));
    }
    if noun(word).is_some() {
        return error_of.hint(format!("the verb comes first: kubectl cmp get {word}"));
    }
    if let Some(known) = known_as(word) {
        return error_of.hint(format!("perhaps: {known}"));
    }
    if kubectl::is_verb(word) {
        return error_of.hint(own(format!("kubectl {word}")));
    }
    // A word with another first letter is not a typing error.
    let similar = text(error, ContextKind::SuggestedSubcommand).unwrap_or_default();
    let begins = |similar: &&str| similar.chars().next().is_some_and(|first| word.starts_with(first));
    let similar: Vec<&str> = similar.split(", ").filter(begins).collect();
    if similar.is_empty() { error_of } else { error_of.hint(format!("did you mean {}?", similar.join(" or "))) }
}

/// Builds the error for a word in the place of a type. The word is a misspelled type, a type of kubectl, or the name of
/// an object whose type is missing.
fn unknown_type(
    error: &clap::Error,
    (path, verb): (&str, &str),
    command: &Command,
    word: &str,
    typed: &[OsString],
) -> CliError {
    let nouns: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
    let what = if nouns.iter().any(|word| noun(word).is_some()) { "needs a type first:" } else { "takes" };
    let wrong = CliError::user(format!("{path} {what} {}; {word:?} is not one of them", nouns.join(" or ")));
    let takes = |what: &str| nouns.iter().any(|taken| noun(taken) == Some(what));
    match (verb, noun(word), word) {
        ("stop", Some("a cluster"), _) => {
            return wrong.hint("to suspend all instances of a cluster: kubectl cmp suspend cluster NAME");
        }
        ("start", Some("a cluster"), _) => {
            return wrong.hint("to resume all instances of a cluster: kubectl cmp resume cluster NAME");
        }
        ("delete", Some("an instance"), _) => {
            return wrong
                .hint("to delete the instances with the highest indexes: kubectl cmp scale cluster NAME --count N");
        }
        ("create", noun, word) if noun == Some("an instance") || kubectl::is_pod(word) => {
            return wrong.hint("clusters create their instances: kubectl cmp create cluster");
        }
        ("get" | "describe", Some("a quota"), _) => return wrong.hint("perhaps: kubectl cmp quota"),
        ("create", Some("a quota"), _) | ("set", Some("a user"), _) => {
            return wrong.hint("the quota of a user: kubectl cmp set quota USER");
        }
        ("create" | "delete" | "edit", Some("prices"), _) => {
            return wrong.hint("to set and to remove prices: kubectl cmp set prices");
        }
        ("get", _, "events" | "event" | "ev") => return wrong.hint("perhaps: kubectl cmp events"),
        ("get", _, "all") => return wrong.hint("one type at a time: kubectl cmp get clusters"),
        (_, Some(_), _) => return wrong,
        _ => {}
    }
    let namespace = kubectl::command(verb, word, namespace(typed).as_deref());
    let instance =
        (kubectl::is_pod(word) && takes("an instance")).then(|| format!("cmp calls them instances: {path} instances"));
    if instance.is_some() || namespace.is_some() {
        return instance.into_iter().chain(namespace.map(own)).fold(wrong, CliError::hint);
    }
    let after = after(typed, word);
    if let Some(noun) = misspelled(error, command, word) {
        let words = std::iter::once(format!("perhaps: {path} {noun}")).chain(after);
        return wrong.hint(words.collect::<Vec<_>>().join(" "));
    }
    // A word with another name after it stands where the type belongs, so that it is no name.
    if after.iter().any(|word| !word.contains('=')) {
        return wrong;
    }
    if let (true, Ok(name)) = (takes("an instance"), word.parse::<InstanceName>()) {
        return wrong.hint(format!("perhaps: {path} instance {name}"));
    }
    match word.parse::<ClusterName>() {
        Ok(name) if takes("a cluster") => {
            let words = std::iter::once(format!("perhaps: {path} cluster {name}")).chain(after);
            wrong.hint(words.collect::<Vec<_>>().join(" "))
        }
        _ => wrong,
    }
}

/// Returns the type that was misspelled, if the word resembles one. clap finds what resembles it. A word that is much
/// shorter or has a dash is rather a name.
fn misspelled(error: &clap::Error, command: &Command, word: &str) -> Option<String> {
    let small = word.to_lowercase();
    if small != word && command.find_subcommand(&small).is_some() {
        return Some(small);
    }
    let similar = text(error, ContextKind::SuggestedSubcommand)?;
    let is_near = |similar: &&str| {
        similar.len().abs_diff(word.len()) <= 1 && similar.len() > 3 && similar.chars().next() == word.chars().next()
    };
    if word.contains(|letter: char| !letter.is_ascii_alphabetic()) {
        return None;
    }
    // clap puts the most similar word last.
    let near = similar.split(", ").filter(is_near).last()?;
    command.find_subcommand(near).map(|_| near.to_owned())
}

/// Returns the words after a word, up to the first flag.
fn after(typed: &[OsString], word: &str) -> Vec<String> {
    let words = typed.iter().filter_map(|typed| typed.to_str());
    let after = words.skip_while(|typed| *typed != word).skip(1);
    after.take_while(|typed| !typed.starts_with('-')).map(str::to_owned).collect()
}

/// Returns the namespace that `-n` names.
fn namespace(typed: &[OsString]) -> Option<String> {
    let mut words = typed.iter().filter_map(|word| word.to_str());
    while let Some(word) = words.next() {
        let value = match word {
            "-n" | "--namespace" => words.next(),
            _ => word.strip_prefix("--namespace=").or_else(|| word.strip_prefix("-n")),
        };
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            return Some(value.trim_start_matches('=').to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests;

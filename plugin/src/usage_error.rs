//! Usage errors in kubectl's form instead of clap's: one line with the error, and where to read more.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use cmp_core::name::{ClusterName, InstanceName};

use crate::args::nouns::noun;
use crate::error::CliError;

mod kubectl;

/// Converts an error of clap into an error for the user, with hints.
pub(crate) fn error(root: &Command, error: &clap::Error, typed: &[OsString]) -> CliError {
    let (path, command) = deepest(root, typed);
    let help = format!("see '{path} --help' for usage");
    if error.kind() == ErrorKind::InvalidSubcommand {
        return unknown(error, &path, command, typed).hint(help);
    }
    let mut said = CliError::user(message(error));
    let argument = text(error, ContextKind::InvalidArg).unwrap_or_default();
    let hint = match error.kind() {
        ErrorKind::UnknownArgument => belongs(&argument, &path).or_else(|| elsewhere(&argument, &path)),
        ErrorKind::MissingRequiredArgument if argument.contains("<COMMAND>") && path.ends_with(" exec") => {
            Some("the command comes after --: kubectl cmp exec -it INSTANCE -- sh".to_owned())
        }
        _ => None,
    };
    if let Some(hint) = hint {
        said = said.hint(hint);
    }
    if let Some(similar) = similar(error, command) {
        said = said.hint(format!("did you mean {similar}?"));
    }
    said.hint(help)
}

/// Returns the deepest command whose words were typed, and its path.
fn deepest<'a>(root: &'a Command, typed: &[OsString]) -> (String, &'a Command) {
    let (mut path, mut command) = ("kubectl cmp".to_owned(), root);
    for word in typed.iter().skip(1).filter_map(|word| word.to_str()) {
        if let Some(next) = command.find_subcommand(word) {
            path = format!("{path} {word}");
            command = next;
        }
    }
    (path, command)
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => Some(texts.join(", ")),
        _ => None,
    }
}

/// Returns one line that describes the error.
pub(crate) fn message(error: &clap::Error) -> String {
    let argument = text(error, ContextKind::InvalidArg).unwrap_or_default();
    let value = text(error, ContextKind::InvalidValue).unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument if argument.starts_with('-') => format!("unknown flag: {argument}"),
        ErrorKind::UnknownArgument => format!("unexpected argument {argument:?}"),
        ErrorKind::MissingRequiredArgument => {
            // Names come first, in the order in which they are typed. clap lists flags first.
            let (names, flags): (Vec<&str>, Vec<&str>) =
                argument.split(", ").partition(|argument| argument.starts_with('<'));
            format!("missing: {}", [names, flags].concat().join(", "))
        }
        ErrorKind::TooManyValues => format!("{} takes no value", argument.split(' ').next().unwrap_or_default()),
        ErrorKind::InvalidValue if value.is_empty() => {
            match text(error, ContextKind::ValidValue).filter(|valid| !valid.is_empty()) {
                Some(valid) => format!("{argument} needs a value: one of {valid}"),
                None => format!("{argument} needs a value"),
            }
        }
        ErrorKind::InvalidValue => {
            let valid = text(error, ContextKind::ValidValue).unwrap_or_default();
            format!("invalid value '{value}' for '{argument}': use one of {valid}")
        }
        // For every other error, use the first paragraph of clap's message.
        _ => {
            let rendered = error.render().to_string();
            let first = rendered.split("\n\n").next().unwrap_or_default();
            let lines: Vec<&str> = first.trim_start_matches("error: ").lines().map(str::trim).collect();
            in_words(&lines.join(" "))
        }
    }
}

/// Rewrites the library's messages about numbers in plain words.
fn in_words(text: &str) -> String {
    let text = text.replace("invalid digit found in string", "it is not a whole number");
    let Some((before, range)) = text.rsplit_once(" is not in ") else { return text };
    match range.split_once("..=") {
        Some((from, to)) => format!("{before} is not from {from} to {to}"),
        None => text.clone(),
    }
}

/// Suggests where a superfluous word belongs.
fn belongs(word: &str, path: &str) -> Option<String> {
    match path.strip_prefix("kubectl cmp ")? {
        "exec" => Some(format!("the command comes after --: kubectl cmp exec INSTANCE -- {word} ...")),
        "scale cluster" if word.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(format!("set the number of instances with --count {word}"))
        }
        "set quota" if word.contains('=') && !word.starts_with('-') => {
            Some(format!("write amounts as flags: --{}", word.replacen('=', " ", 1)))
        }
        "create template" if word.contains('.') && !word.starts_with('-') => {
            Some(format!("name the file with -f {word}"))
        }
        "create cluster" if !word.starts_with('-') => Some("create one cluster per command".to_owned()),
        _ => None,
    }
}

/// Names the command or the flag that does what an unknown flag stands for.
fn elsewhere(flag: &str, path: &str) -> Option<String> {
    let (verb, noun) = path.strip_prefix("kubectl cmp ")?.split_once(' ')?;
    Some(match (verb, noun, flag) {
        ("delete", _, "--force" | "--now") => "--yes deletes without a question".to_owned(),
        ("resize", _, "--count" | "--replicas") => {
            "the number of instances: kubectl cmp scale cluster NAME --count N".to_owned()
        }
        ("scale", _, "--cpu" | "--memory" | "--resource") => {
            format!("the size of instances: kubectl cmp resize cluster NAME {flag} AMOUNT")
        }
        ("suspend" | "resume", "instance" | "instances" | "in", "--for" | "--all") => {
            format!("{flag} is for clusters: kubectl cmp {verb} cluster")
        }
        _ => return None,
    })
}

/// Returns the command for a word that other tools use.
fn known_as(word: &str) -> Option<&'static str> {
    Some(match word {
        "list" | "ls" | "show" | "status" => "kubectl cmp get",
        "run" | "new" | "add" => "kubectl cmp create",
        "rm" | "remove" | "destroy" => "kubectl cmp delete",
        "pause" | "halt" | "sleep" => "kubectl cmp suspend",
        "unpause" | "wake" => "kubectl cmp resume",
        "restart" | "reboot" => "kubectl cmp rollout restart cluster NAME",
        "shell" => "kubectl cmp exec -it INSTANCE -- sh",
        "me" | "login" => "kubectl cmp whoami",
        "backup" | "dump" | "save" => "kubectl cmp export cluster NAME",
        "restore" | "import" | "apply" => "kubectl cmp create -f FILE",
        "usage" => "kubectl cmp top, kubectl cmp quota, or kubectl cmp report for past usage",
        "cost" | "bill" | "billing" => "kubectl cmp report",
        "cron" | "timer" => "kubectl cmp schedule",
        _ => return None,
    })
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
        None => unknown_command(error, &word),
    }
}

/// Builds the error for a word in the place of a command.
fn unknown_command(error: &clap::Error, word: &str) -> CliError {
    let error_of = CliError::user(format!("unknown command {word:?} for \"kubectl cmp\""));
    if noun(word).is_some() {
        return error_of.hint(format!("the verb comes first: kubectl cmp get {word}"));
    }
    if let Some(known) = known_as(word) {
        return error_of.hint(format!("perhaps: {known}"));
    }
    if kubectl::is_verb(word) {
        return error_of.hint(format!("perhaps kubectl's own: kubectl {word}"));
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
        ("create", Some("an instance"), _) => {
            return wrong.hint("clusters create their instances: kubectl cmp create cluster");
        }
        ("get" | "describe", Some("a quota"), _) => return wrong.hint("perhaps: kubectl cmp quota"),
        ("get", _, "events" | "event" | "ev") => return wrong.hint("perhaps: kubectl cmp events"),
        ("get", _, "all") => return wrong.hint("one type at a time: kubectl cmp get clusters"),
        (_, Some(_), _) => return wrong,
        _ => {}
    }
    let namespace = kubectl::command(verb, word, namespace(typed).as_deref());
    let instance = (kubectl::is_instance(word) && takes("an instance"))
        .then(|| format!("cmp calls them instances: {path} instances"));
    if instance.is_some() || namespace.is_some() {
        let own = namespace.map(|own| format!("perhaps kubectl's own: {own}"));
        return instance.into_iter().chain(own).fold(wrong, CliError::hint);
    }
    let after = after(typed, word);
    if let Some(noun) = misspelled(error, command, word) {
        let words = std::iter::once(format!("perhaps: {path} {noun}")).chain(after);
        return wrong.hint(words.collect::<Vec<_>>().join(" "));
    }
    // A word with another name after it stands where the type belongs, so that it is no name.
    if !after.is_empty() {
        return wrong;
    }
    if let (true, Ok(name)) = (takes("an instance"), word.parse::<InstanceName>()) {
        return wrong.hint(format!("perhaps: {path} instance {name}"));
    }
    match word.parse::<ClusterName>() {
        Ok(name) if takes("a cluster") => wrong.hint(format!("perhaps: {path} cluster {name}")),
        _ => wrong,
    }
}

/// Returns the type that was misspelled, if the word resembles one. clap finds what resembles it. A word that is much
/// shorter or has a dash is rather a name.
fn misspelled<'a>(error: &clap::Error, command: &'a Command, word: &str) -> Option<&'a str> {
    let similar = text(error, ContextKind::SuggestedSubcommand)?;
    let is_near = |similar: &&str| {
        similar.len().abs_diff(word.len()) <= 1 && similar.len() > 3 && similar.chars().next() == word.chars().next()
    };
    if word.contains(|letter: char| !letter.is_ascii_alphabetic()) {
        return None;
    }
    // clap puts the most similar word last.
    let near = similar.split(", ").filter(is_near).last()?;
    let taken = command.find_subcommand(near)?;
    std::iter::once(taken.get_name()).chain(taken.get_visible_aliases()).find(|word| *word == near)
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
mod tests {
    use super::*;
    use crate::command_line;

    /// Checks the message for a wrong command line.
    fn check(typed: &str, expected: &str) {
        let arguments: Vec<OsString> = typed.split(' ').map(|word| word.replace('_', " ").into()).collect();
        let arguments = command_line::split_titles(arguments.into_iter());
        let root = command_line::command();
        let said = root.clone().try_get_matches_from(&arguments).unwrap_err();
        let text = error(&root, &said, &arguments).text();
        assert_eq!(text.trim_end(), expected, "{typed}");
    }

    #[test]
    fn usage_errors_name_the_mistake_and_the_help() {
        let help = |path: &str| format!("hint: see 'kubectl cmp{path} --help' for usage");
        let create = help(" create cluster");
        check(
            "kubectl-cmp frobnicate",
            &format!("error: unknown command \"frobnicate\" for \"kubectl cmp\"\n{}", help("")),
        );
        check("kubectl-cmp create cluster web --cpu 1", &format!("error: missing: --memory <MEMORY>\n{create}"));
        check(
            "kubectl-cmp create cluster",
            &format!("error: missing: <NAME>, --cpu <CPU>, --memory <MEMORY>\n{create}"),
        );
        check("kubectl-cmp create cluster --frob", &format!("error: unknown flag: --frob\n{create}"));
        check(
            "kubectl-cmp create cluster --cpus 1",
            &format!("error: unknown flag: --cpus\nhint: did you mean --cpu?\n{create}"),
        );
        check(
            "kubectl-cmp create cluster web --cpu -1 --memory 1Gi",
            &format!("error: invalid value '-1' for '--cpu <CPU>': it must be above 0\n{create}"),
        );
        check(
            "kubectl-cmp create cluster web db --cpu 1 --memory 1Gi",
            &format!("error: unexpected argument \"db\"\nhint: create one cluster per command\n{create}"),
        );
        check(
            "kubectl-cmp create cluster web --cpu 1 --memory 64",
            &format!("error: invalid value '64' for '--memory <MEMORY>': 64 is 64 bytes; did you mean 64Gi?\n{create}"),
        );
        check("kubectl-cmp create cluster web --cpu", &format!("error: --cpu <CPU> needs a value\n{create}"));
        check(
            "kubectl-cmp suspend cluster --mode off",
            &format!(
                "error: invalid value 'off' for '--mode <MODE>': use one of pause, halt\n{}",
                help(" suspend cluster")
            ),
        );
        check(
            "kubectl-cmp get web",
            &format!(
                "error: kubectl cmp get needs a type first: clusters or instances or schedules or users or templates or tokens; \"web\" is not one of them\nhint: perhaps: kubectl cmp get cluster web\n{}",
                help(" get")
            ),
        );
        check(
            "kubectl-cmp stop web/0",
            &format!(
                "error: kubectl cmp stop needs a type first: instance; \"web/0\" is not one of them\nhint: perhaps: kubectl cmp stop instance web-0\n{}",
                help(" stop")
            ),
        );
        check(
            "kubectl-cmp stop cluster web",
            &format!(
                "error: kubectl cmp stop needs a type first: instance; \"cluster\" is not one of them\nhint: to suspend all instances of a cluster: kubectl cmp suspend cluster NAME\n{}",
                help(" stop")
            ),
        );
        check(
            "kubectl-cmp exec web-0 bash",
            &format!(
                "error: unexpected argument \"bash\"\nhint: the command comes after --: kubectl cmp exec INSTANCE -- bash ...\n{}",
                help(" exec")
            ),
        );
        check(
            "kubectl-cmp list clusters",
            &format!(
                "error: unknown command \"list\" for \"kubectl cmp\"\nhint: perhaps: kubectl cmp get\n{}",
                help("")
            ),
        );
        check(
            "kubectl-cmp drain node",
            &format!(
                "error: unknown command \"drain\" for \"kubectl cmp\"\nhint: perhaps kubectl's own: kubectl drain\n{}",
                help("")
            ),
        );
        check(
            "kubectl-cmp exec -it web-0",
            &format!(
                "error: missing: <COMMAND>...\nhint: the command comes after --: kubectl cmp exec -it INSTANCE -- sh\n{}",
                help(" exec")
            ),
        );
        check("kubectl-cmp uninstall --purge=yes", &format!("error: --purge takes no value\n{}", help(" uninstall")));
        check("kubectl-cmp whoami --as-group g", &format!("error: missing: --as <NAME>\n{}", help(" whoami")));
        check(
            "kubectl-cmp delete cluster web --all",
            &format!("error: the argument '[NAME]...' cannot be used with '--all'\n{}", help(" delete cluster")),
        );
    }
    /// Checks the hints for a wrong type, without the last, which names the help.
    fn check_hints(typed: &str, expected: &[&str]) {
        let arguments = command_line::split_titles(typed.split(' ').map(OsString::from));
        let root = command_line::command();
        let said = root.clone().try_get_matches_from(&arguments).unwrap_err();
        let error = error(&root, &said, &arguments);
        let (_, hints) = error.hints().split_last().unwrap();
        assert_eq!(hints, expected, "{typed}");
    }

    #[test]
    fn a_misspelled_type_is_not_taken_for_a_name() {
        check_hints("kubectl-cmp create cluser web --cpu 1", &["perhaps: kubectl cmp create cluster web"]);
        check_hints("kubectl-cmp get clsters", &["perhaps: kubectl cmp get clusters"]);
        check_hints("kubectl-cmp get instnaces -A", &["perhaps: kubectl cmp get instances"]);
        check_hints("kubectl-cmp describe tempalte gpu", &["perhaps: kubectl cmp describe template gpu"]);
        check_hints("kubectl-cmp delete usr john", &["perhaps: kubectl cmp delete user john"]);
        check_hints("kubectl-cmp suspend cluter web db", &["perhaps: kubectl cmp suspend cluster web db"]);
        check_hints("kubectl-cmp suspend thing web", &[]);
        check_hints("kubectl-cmp suspend club", &["perhaps: kubectl cmp suspend cluster club"]);
        check_hints("kubectl-cmp suspend cluster-a", &["perhaps: kubectl cmp suspend cluster cluster-a"]);
    }

    #[test]
    fn a_flag_of_another_command_leads_to_that_command() {
        check_hints("kubectl-cmp delete cluster web --force", &["--yes deletes without a question"]);
        let scale = "the number of instances: kubectl cmp scale cluster NAME --count N";
        check_hints("kubectl-cmp resize cluster web --count 4", &[scale]);
        let resize = "the size of instances: kubectl cmp resize cluster NAME --cpu AMOUNT";
        check_hints("kubectl-cmp scale cluster web --cpu 4", &[resize]);
        let suspend = "--for is for clusters: kubectl cmp suspend cluster";
        check_hints("kubectl-cmp suspend instance web-0 --for 3h", &[suspend]);
        check_hints("kubectl-cmp set quota john cpu=3", &["write amounts as flags: --cpu 3"]);
        check_hints("kubectl-cmp create template web pod.yaml -f x", &["name the file with -f pod.yaml"]);
    }

    #[test]
    fn a_type_of_kubectl_leads_to_kubectl() {
        let instances = "cmp calls them instances: kubectl cmp get instances";
        check_hints("kubectl-cmp get pods", &[instances, "perhaps kubectl's own: kubectl get pods -n CLUSTER-ns"]);
        check_hints("kubectl-cmp -n web-ns get po", &[instances, "perhaps kubectl's own: kubectl get po -n web-ns"]);
        check_hints("kubectl-cmp get deploy web", &["perhaps kubectl's own: kubectl get deploy -n CLUSTER-ns"]);
        check_hints("kubectl-cmp get svc -n=web-ns", &["perhaps kubectl's own: kubectl get svc -n web-ns"]);
        check_hints("kubectl-cmp describe node n1", &["perhaps kubectl's own: kubectl describe node"]);
        check_hints("kubectl-cmp stop pod web-0", &["cmp calls them instances: kubectl cmp stop instances"]);
        check_hints("kubectl-cmp get quota", &["perhaps: kubectl cmp quota"]);
        check_hints("kubectl-cmp get events", &["perhaps: kubectl cmp events"]);
        check_hints("kubectl-cmp get all", &["one type at a time: kubectl cmp get clusters"]);
        check_hints("kubectl-cmp suspend deploy", &["perhaps: kubectl cmp suspend cluster deploy"]);
    }
}

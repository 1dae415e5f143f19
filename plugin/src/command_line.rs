//! The command line: its definition for clap, and its parsing.

use std::ffi::OsString;
use std::time::Duration;

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser};

use crate::args::Global;
use crate::args::nouns::{is_noun, synonyms};
use crate::commands::Command;

#[cfg(test)]
mod documents;

/// A small cloud inside any Kubernetes cluster: clusters of identical instances, within a quota
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-cmp",
    bin_name = "kubectl cmp",
    version,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Use \"kubectl cmp <command> --help\" for one command, and \"kubectl cmp options\" for the flags of all."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) global: Global,

    /// The value of `--timeout` of the command, whichever it is. [`parse`] sets it.
    #[arg(skip)]
    pub(crate) timeout: Option<Duration>,
}

/// The name of the flag that bounds the waits and the contended writes of a command.
const TIMEOUT: &str = "timeout";

/// Template of every help: description, examples and usage first, then all flags.
const HELP: &str = "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}\n";

/// Returns the clap command of the plugin, with the help template in every subcommand, and with all words for a type
/// after a verb.
pub(crate) fn command() -> clap::Command {
    fn ordered(command: clap::Command) -> clap::Command {
        command.help_template(HELP).mut_subcommands(ordered)
    }
    fn named(command: clap::Command) -> clap::Command {
        let synonyms: Vec<&str> = synonyms(command.get_name()).collect();
        command.visible_aliases(synonyms).mut_subcommands(named)
    }
    ordered(Arguments::command()).mut_subcommands(|verb| verb.mut_subcommands(named))
}

/// Parses a command line, with the name of the program first.
pub(crate) fn parse(typed: &[OsString]) -> Result<Arguments, clap::Error> {
    let matches = command().try_get_matches_from(typed)?;
    Ok(Arguments { timeout: timeout(&matches), ..Arguments::from_arg_matches(&matches)? })
}

/// Returns the value of `--timeout` of the command that was typed, if it has this flag.
fn timeout(matches: &ArgMatches) -> Option<Duration> {
    match matches.subcommand() {
        Some((_, below)) => timeout(below),
        None => matches.try_get_one(TIMEOUT).ok().flatten().copied(),
    }
}

/// Rewrites `help get` to `get --help`, as kubectl accepts both.
pub(crate) fn help_of(mut typed: Vec<OsString>) -> Vec<OsString> {
    if typed.get(1).is_some_and(|word| word == "help") {
        typed.remove(1);
        typed.push("--help".into());
    }
    typed
}

/// Reports whether a type follows this word. The last word of a verb such as `rollout restart` stands before the type.
fn takes_a_type(above: &clap::Command, word: &str) -> bool {
    above.get_subcommands().any(|command| {
        (command.get_name() == word && command.get_subcommands().any(|below| is_noun(below.get_name())))
            || takes_a_type(command, word)
    })
}

/// Rewrites `get cluster/web` to `get cluster web`, as kubectl accepts both.
pub(crate) fn split_titles(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let commands = Arguments::command();
    let mut split = Vec::new();
    let mut after_verb = false;
    for argument in arguments {
        let title = argument.to_str().filter(|_| after_verb).and_then(|text| text.split_once('/'));
        let title = title.filter(|(word, _)| is_noun(word));
        after_verb = argument.to_str().is_some_and(|word| takes_a_type(&commands, word));
        match title {
            Some((kind, name)) => split.extend([OsString::from(kind), OsString::from(name)]),
            None => split.push(argument),
        }
    }
    split
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    /// Visits a command and all of its subcommands.
    fn each(command: &clap::Command, look: &mut impl FnMut(&clap::Command)) {
        look(command);
        command.get_subcommands().for_each(|below| each(below, look));
    }

    #[test]
    fn no_help_is_longer_than_a_screen_and_examples_come_before_flags() {
        let mut root = command();
        root.build();
        each(&root, &mut |command| {
            let name = command.get_bin_name().unwrap_or_default().to_owned();
            let asked = |flag: &str| {
                let words = name.split(' ').skip(1).chain([flag]);
                super::command().try_get_matches_from(words).map_or_else(|help| help.to_string(), |_| String::new())
            };
            let help = asked("--help");
            assert_eq!(asked("-h"), help, "{name}: -h and --help are the same");
            // The list of all commands is longer.
            let most = if name == "kubectl cmp" { 50 } else { 40 };
            assert!(help.lines().count() <= most, "{name} needs {} lines:\n{help}", help.lines().count());
            assert!(help.lines().all(|line| line.chars().count() <= 100), "{name}: a line is too long:\n{help}");
            let first = help.lines().next().unwrap_or_default();
            assert!(
                first.starts_with(char::is_uppercase) && !first.ends_with('.'),
                "{name}: {first:?} says what it does"
            );
            if let (Some(examples), Some(flags)) = (help.find("Examples:"), help.find("Options:")) {
                assert!(examples < flags, "{name}:\n{help}");
            }
        });
    }

    #[test]
    fn every_type_has_a_plural_and_a_short_name_after_every_verb() {
        let words = |noun: &str| std::iter::once(noun.to_owned()).chain(synonyms(noun).map(str::to_owned)).collect();
        let mut seen = 0;
        for verb in command().get_subcommands() {
            for noun in verb.get_subcommands().filter(|noun| is_noun(noun.get_name())) {
                let mut expected: Vec<String> = words(noun.get_name());
                let mut taken = vec![noun.get_name().to_owned()];
                taken.extend(noun.get_visible_aliases().map(str::to_owned));
                expected.sort();
                taken.sort();
                assert_eq!(taken, expected, "{} {}", verb.get_name(), noun.get_name());
                seen += 1;
            }
        }
        assert!(seen > 20, "only {seen} types were found");
        for typed in
            ["get cl", "get in", "get us", "get tok john", "get tpl", "get sched", "stop in web-0", "describe tpl t"]
        {
            let words = std::iter::once("kubectl-cmp").chain(typed.split(' ')).map(OsString::from);
            assert!(super::parse(&split_titles(words)).is_ok(), "{typed}");
        }
    }

    #[test]
    fn the_time_out_of_every_command_bounds_its_writes() {
        let mut seen = 0;
        each(&command(), &mut |command| {
            for flag in command.get_arguments().filter(|flag| flag.get_long() == Some(TIMEOUT)) {
                assert_eq!(flag.get_id(), TIMEOUT, "{}", command.get_name());
                let kind = flag.get_value_parser().type_id();
                assert!(kind == std::any::TypeId::of::<Duration>(), "{}: {kind:?}", command.get_name());
                seen += 1;
            }
        });
        assert!(seen > 10, "only {seen} flags were found");
        for (typed, expected) in [
            ("delete user john", Some(300)),
            ("delete user john --timeout 1m", Some(60)),
            ("delete cluster web --wait", None),
            ("delete cluster web --wait --timeout 7s", Some(7)),
            ("suspend cluster web --timeout 9s", Some(9)),
            ("resize cluster web --cpu 2 --timeout 2m", Some(120)),
            ("get clusters", None),
        ] {
            let words = std::iter::once("kubectl-cmp").chain(typed.split(' ')).map(OsString::from).collect::<Vec<_>>();
            let timeout = super::parse(&words).unwrap().timeout;
            assert_eq!(timeout, expected.map(Duration::from_secs), "{typed}");
        }
    }

    /// Commands that print no object, or objects without a name.
    const NAMELESS: [&str; 24] = [
        "attach",
        "check",
        "completion bash",
        "completion fish",
        "completion install",
        "completion zsh",
        "console",
        "cp",
        "describe cluster",
        "describe instance",
        "describe template",
        "describe user",
        "edit cluster",
        "exec",
        "internal stream",
        "logs",
        "mirror",
        "options",
        "port-forward",
        "report",
        "ssh",
        "uninstall",
        "version",
        "vnc",
    ];

    #[test]
    fn every_command_that_prints_objects_takes_name_as_a_format() {
        let (mut root, mut taken, mut refused) = (command(), 0, Vec::new());
        root.build();
        each(&root, &mut |command| {
            let path = command.get_bin_name().unwrap_or_default().trim_start_matches("kubectl cmp").trim_start();
            let flag = command.get_arguments().find(|argument| argument.get_id() == "output").cloned();
            if command.has_subcommands() && flag.is_none() {
                return;
            }
            let takes = |flag| clap::Command::new("cmp").arg(flag).try_get_matches_from(["cmp", "-o", "name"]).is_ok();
            if flag.is_some_and(takes) {
                taken += 1;
            } else {
                refused.push(path.to_owned());
            }
        });
        refused.sort();
        assert_eq!(refused, NAMELESS, "the commands without -o name");
        assert!(taken > 25, "only {taken} commands were found");
    }

    /// Parses every example of the help, because an example that fails is worse than none.
    #[test]
    fn every_example_can_be_typed() {
        let mut seen = 0;
        each(&command(), &mut |command| {
            let examples = command.get_before_help().map(ToString::to_string).unwrap_or_default();
            let each = examples.lines().flat_map(|line| line.split(" | "));
            for line in each.filter_map(|line| line.trim().strip_prefix("kubectl cmp ")) {
                let words = std::iter::once("kubectl-cmp".to_owned()).chain(documents::words(line)).map(OsString::from);
                let parsed = super::parse(&split_titles(words));
                assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
                seen += 1;
            }
        });
        assert!(seen > 20, "only {seen} examples were found");
    }

    #[test]
    fn a_title_is_a_type_and_a_name() {
        let check = |typed: &str, expected: &str| {
            let split = split_titles(typed.split(' ').map(OsString::from));
            let split: Vec<&str> = split.iter().filter_map(|argument| argument.to_str()).collect();
            assert_eq!(split.join(" "), expected);
        };
        check("kubectl-cmp get cluster/web", "kubectl-cmp get cluster web");
        check("kubectl-cmp -v 1 stop instance/web-0 web/1", "kubectl-cmp -v 1 stop instance web-0 web/1");
        check("kubectl-cmp create cluster cluster/web", "kubectl-cmp create cluster cluster/web");
        check("kubectl-cmp create cluster/web --cpu 1", "kubectl-cmp create cluster web --cpu 1");
        check("kubectl-cmp stop web/0", "kubectl-cmp stop web/0");
        check("kubectl-cmp delete cl/web tok/x", "kubectl-cmp delete cl web tok/x");
        check("kubectl-cmp set quotas/john --cpu 1", "kubectl-cmp set quotas john --cpu 1");
        check("kubectl-cmp rollout restart cl/web", "kubectl-cmp rollout restart cl web");
        check("kubectl-cmp wait cluster/web --for=delete", "kubectl-cmp wait cluster web --for=delete");
        check("kubectl-cmp quota --kubeconfig a/b", "kubectl-cmp quota --kubeconfig a/b");
    }
}

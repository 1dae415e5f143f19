//! The command line so far, and the word being typed. Both are parsed with clap's definition of the commands.

use std::any::TypeId;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, Command};

use cmp_core::name::{ClusterName, InstanceName, SnapshotName, TemplateName, UserName};
use cmp_core::vocabulary::InstanceType;

use super::candidate::Candidate;
use super::live::{Lookup, LookupKind};
use crate::args::Global;
use crate::args::nouns::is_noun;
use crate::args::pairs::Word;
use crate::command_line::split_titles;
use crate::commands::cp::Place;
use crate::output::Format;

/// Flags that `create cluster` needs unless a file is given. clap does not expose such a condition.
const UNLESS_FILE: [&str; 2] = ["cpu", "memory"];

/// The kind of word to complete.
pub(super) enum Wanted<'a> {
    /// The name of a command, or a type after a verb.
    Command,
    /// The name of a flag.
    Flag,
    /// The value of a flag, or of a positional argument.
    Value(&'a Arg),
    /// A word that the plugin cannot complete.
    Nothing,
}

/// A parsed command line with an incomplete last word.
pub(super) struct Line<'a> {
    /// The kind of the last word.
    pub(super) wanted: Wanted<'a>,
    /// The part of the last word that selects candidates.
    pub(super) typed: String,
    /// The part of the last word before that. Each candidate repeats it.
    pub(super) prefix: String,
    command: &'a Command,
    verb: &'a str,
    given: Vec<(&'a Arg, String)>,
}

impl<'a> Line<'a> {
    /// Parses the words after `cmp`. The last word is incomplete.
    pub(super) fn read(root: &'a Command, words: &[String]) -> Self {
        let (typed, before) = words.split_last().map_or(("", words), |(typed, before)| (typed.as_str(), before));
        let mut line = Self {
            wanted: Wanted::Nothing,
            typed: typed.to_owned(),
            prefix: String::new(),
            command: root,
            verb: "",
            given: Vec::new(),
        };
        let mut flag = None;
        for word in split_titles(before.iter().map(OsString::from)) {
            let word = word.to_string_lossy();
            match flag.take() {
                Some(flag) => line.given.push((flag, word.into_owned())),
                None if word == "--" => return line,
                None if word.starts_with('-') && word.len() > 1 => flag = line.flag_given(&word),
                None if line.command.has_subcommands() => match line.command.find_subcommand(&*word) {
                    Some(next) => {
                        line.verb = if line.verb.is_empty() { next.get_name() } else { line.verb };
                        line.command = next;
                    }
                    None => return line,
                },
                None => line.given.extend(line.positional().map(|argument| (argument, word.into_owned()))),
            }
        }
        line.want(flag);
        line
    }

    /// Records a word with flags. Returns the flag whose value is the next word.
    fn flag_given(&mut self, word: &str) -> Option<&'a Arg> {
        if let Some(long) = word.strip_prefix("--") {
            let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
            let flag = self.long(name)?;
            if value.is_none() && takes_a_value(flag) {
                return Some(flag);
            }
            self.given.push((flag, value.unwrap_or_default().to_owned()));
            return None;
        }
        let mut rest = word.trim_start_matches('-').chars();
        while let Some(short) = rest.next() {
            let flag = self.command.get_arguments().find(|argument| argument.get_short() == Some(short))?;
            if !takes_a_value(flag) {
                self.given.push((flag, String::new()));
                continue;
            }
            let value = rest.as_str().trim_start_matches('=');
            if value.is_empty() {
                return Some(flag);
            }
            self.given.push((flag, value.to_owned()));
            break;
        }
        None
    }

    fn long(&self, name: &str) -> Option<&'a Arg> {
        self.command.get_arguments().find(|argument| {
            argument.get_long() == Some(name) || argument.get_all_aliases().is_some_and(|all| all.contains(&name))
        })
    }

    /// Returns the next positional argument.
    fn positional(&self) -> Option<&'a Arg> {
        let is_given = |argument: &Arg| self.given.iter().any(|(given, _)| given.get_id() == argument.get_id());
        let mut all = self.command.get_positionals().filter(|argument| !argument.is_last_set());
        all.find(|argument| repeats(argument) || !is_given(argument))
    }

    fn want(&mut self, flag: Option<&'a Arg>) {
        let typed = self.typed.clone();
        if let Some(flag) = flag {
            self.wanted = Wanted::Value(flag);
        } else if let Some((flag, value)) = typed.strip_prefix("--").and_then(|typed| typed.split_once('=')) {
            // Shells add the flag again themselves.
            self.typed = value.to_owned();
            self.wanted = self.long(flag).map_or(Wanted::Nothing, Wanted::Value);
        } else if typed.starts_with('-') {
            self.wanted = Wanted::Flag;
        } else if self.command.has_subcommands() {
            self.wanted = match typed.split_once('/').map(|(kind, _)| self.command.find_subcommand(kind)) {
                None => Wanted::Command,
                Some(kind) => {
                    self.command = kind.unwrap_or(self.command);
                    kind.and_then(|_| self.positional()).map_or(Wanted::Nothing, Wanted::Value)
                }
            };
        } else {
            self.wanted = self.positional().map_or(Wanted::Nothing, Wanted::Value);
        }
        if let Wanted::Value(argument) = self.wanted
            && is_named(argument)
            && let Some((kind, name)) = typed.split_once('/')
            && is_noun(kind)
        {
            self.prefix = format!("{kind}/");
            self.typed = name.to_owned();
        }
    }

    /// Reports whether the last word is a positional argument.
    pub(super) fn is_at_a_name(&self) -> bool {
        match self.wanted {
            Wanted::Value(argument) => argument.is_positional(),
            Wanted::Nothing => self.positional().is_none() && self.prefix.is_empty(),
            _ => false,
        }
    }

    /// Returns the available commands.
    pub(super) fn commands(&self) -> Vec<Candidate> {
        let shown = self.command.get_subcommands().filter(|command| !command.is_hide_set());
        shown.map(|command| described(command.get_name(), command.get_about())).collect()
    }

    /// Returns the flags that can still be given: first those of the command, then the global flags.
    pub(super) fn flags(&self) -> Vec<Candidate> {
        let (global, own): (Vec<&Arg>, Vec<&Arg>) =
            self.command.get_arguments().partition(|argument| argument.is_global_set());
        let open = own.into_iter().filter(|flag| !flag.is_hide_set()).chain(global).filter(|flag| self.is_open(flag));
        let mut flags = Vec::new();
        for flag in open {
            let short = flag.get_short().filter(|_| self.typed == "-").map(|short| format!("-{short}"));
            let long = flag.get_long().map(|long| format!("--{long}"));
            flags.extend(short.into_iter().chain(long).map(|name| described(&name, flag.get_help())));
        }
        flags
    }

    /// Returns the required flags that are missing.
    pub(super) fn required(&self) -> Vec<Candidate> {
        let typed = self.verb == "create" && self.command.get_name() == "cluster" && self.value("filename").is_none();
        let needed = |flag: &Arg| flag.is_required_set() || (typed && UNLESS_FILE.contains(&flag.get_id().as_str()));
        let required = self.command.get_opts().filter(|flag| needed(flag) && self.is_open(flag));
        required.filter_map(|flag| Some(described(&format!("--{}", flag.get_long()?), flag.get_help()))).collect()
    }

    /// Reports whether a flag can be combined with the given ones.
    fn is_open(&self, flag: &Arg) -> bool {
        let conflicts = self.command.get_arg_conflicts_with(flag);
        let is_in_the_way = |given: &Arg| {
            (given.get_id() == flag.get_id() && !repeats(flag))
                || conflicts.iter().any(|other| other.get_id() == given.get_id())
                || self.command.get_arg_conflicts_with(given).iter().any(|other| other.get_id() == flag.get_id())
        };
        !self.given.iter().any(|(given, _)| is_in_the_way(given))
    }

    /// Returns the lookup that finds candidates, if there is one.
    pub(super) fn question(&self, argument: &Arg) -> Option<Lookup> {
        let of_type = argument.get_value_parser().type_id();
        let is_new = self.verb == "create" && argument.is_positional() && value_name(argument) == "NAME";
        let what = if is_new {
            return None;
        } else if of_type == TypeId::of::<ClusterName>() || of_type == TypeId::of::<Word>() {
            LookupKind::Clusters
        } else if of_type == TypeId::of::<InstanceName>() || is_place(argument) {
            LookupKind::Instances
        } else if of_type == TypeId::of::<UserName>() {
            LookupKind::Users
        } else if of_type == TypeId::of::<TemplateName>() {
            LookupKind::Templates
        } else if of_type == TypeId::of::<SnapshotName>() {
            // A new name is chosen by the user.
            if self.verb == "snapshot" {
                return None;
            }
            LookupKind::Snapshots
        } else if value_name(argument) == "ID" {
            LookupKind::Tokens(self.value("user")?.parse().ok()?)
        } else {
            match argument.get_id().as_str() {
                "namespace" => LookupKind::Namespaces,
                "context" => LookupKind::Contexts,
                "kube_cluster" => LookupKind::KubeClusters,
                "kube_user" => LookupKind::KubeUsers,
                _ => return None,
            }
        };
        let owner = self.value("owner").and_then(|owner| owner.parse().ok());
        Some(Lookup { what, owner, global: self.global()? })
    }

    /// Removes candidates that were named before, and writes the others in the form being typed.
    pub(super) fn open(&self, argument: &Arg, found: Vec<Candidate>) -> Vec<Candidate> {
        let same = self.given.iter().filter(|(given, _)| given.get_id() == argument.get_id());
        let named: Vec<String> = same
            .map(|(_, name)| {
                let name = name.split_once('/').filter(|(kind, _)| is_noun(kind)).map_or(&**name, |(_, name)| name);
                name.parse::<InstanceName>().map_or_else(|_| name.to_owned(), |name| name.to_string())
            })
            .collect();
        let slashed = |mut candidate: Candidate| {
            if self.typed.contains('/')
                && let Ok(InstanceName { cluster, index }) = candidate.text.parse()
            {
                candidate.text = format!("{cluster}/{index}");
            }
            if is_place(argument) {
                candidate.text.push(':');
            }
            candidate
        };
        found.into_iter().filter(|candidate| !named.contains(&candidate.text)).map(slashed).collect()
    }

    fn value(&self, id: &str) -> Option<&str> {
        self.given.iter().find(|(argument, _)| argument.get_id() == id).map(|(_, value)| value.as_str())
    }

    /// Returns the global flags that select the API server and the identity.
    fn global(&self) -> Option<Global> {
        let given = self.given.iter().filter(|(argument, _)| argument.is_global_set());
        Global::read(given.filter_map(|(argument, value)| {
            let long = argument.get_long()?;
            Some(if takes_a_value(argument) { format!("--{long}={value}") } else { format!("--{long}") })
        }))
    }
}

/// Returns the values that need no lookup, and whether file names are candidates.
pub(super) fn values(argument: &Arg) -> Option<(Vec<Candidate>, bool)> {
    let of_type = argument.get_value_parser().type_id();
    let possible = argument.get_possible_values();
    let values = if of_type == TypeId::of::<PathBuf>() {
        return Some((Vec::new(), true));
    } else if of_type == TypeId::of::<InstanceType>() {
        [InstanceType::Container, InstanceType::Vm].map(|kind| Candidate::plain(kind.as_str())).to_vec()
    } else if of_type == TypeId::of::<Format>() {
        // The help of the flag lists the forms that the command accepts.
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let forms = help.split([' ', ',']).filter(|word| !word.is_empty() && *word != "or");
        forms.map(|form| Candidate::plain(form.trim_end_matches('.'))).collect()
    } else if !possible.is_empty() {
        let shown = possible.iter().filter(|value| !value.is_hide_set());
        shown.map(|value| described(value.get_name(), value.get_help())).collect()
    } else {
        return None;
    };
    Some((values, false))
}

/// Reports whether an argument is a path here or in an instance, so that files and instances are candidates.
pub(super) fn is_place(argument: &Arg) -> bool {
    argument.get_value_parser().type_id() == TypeId::of::<Place>()
}

fn described(name: &str, about: Option<&clap::builder::StyledStr>) -> Candidate {
    match about {
        Some(about) => Candidate::about(name, about.to_string().lines().next().unwrap_or_default()),
        None => Candidate::plain(name),
    }
}

/// Reports whether the next word is the value of this flag. A value that follows `=` or is optional, as in
/// `--mirror=false`, is not a word of its own.
fn takes_a_value(flag: &Arg) -> bool {
    flag.get_action().takes_values() && !flag.is_require_equals_set()
}

/// Reports whether an argument can be given more than once.
fn repeats(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::Append)
}

fn value_name(argument: &Arg) -> &str {
    argument.get_value_names().and_then(<[_]>::first).map_or("", |name| name.as_str())
}

/// Reports whether an argument is the name of an object, which its type can precede.
fn is_named(argument: &Arg) -> bool {
    let of_type = argument.get_value_parser().type_id();
    [
        TypeId::of::<ClusterName>(),
        TypeId::of::<InstanceName>(),
        TypeId::of::<UserName>(),
        TypeId::of::<TemplateName>(),
        TypeId::of::<SnapshotName>(),
        TypeId::of::<Word>(),
    ]
    .iter()
    .any(|id| of_type == *id)
}

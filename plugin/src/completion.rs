//! Completion of a command line by kubectl's protocol for plugins. kubectl runs `kubectl_complete-cmp` with the words
//! after `cmp`; the last word is incomplete. It reads one candidate a line, with its description after a tab, and a
//! last line `:<directive>`.
//!
//! Errors are silent, and the exit code is always 0. Otherwise kubectl would offer the files of the folder instead.

use std::ffi::OsString;
use std::path::Path;

use crate::commands::completion::install::NAME;
use crate::ui::Ui;
use crate::{command_line, escape};
use candidate::Candidate;
use line::{Line, Wanted};

mod candidate;
mod line;
mod live;

/// The hidden command for completion. The scripts for `kubectl-cmp` call it.
const HIDDEN: &str = "__complete";

/// Directive: add no space after a candidate, because it is half of a value.
const NO_SPACE: u8 = 2;

/// Directive: do not offer file names.
const NO_FILES: u8 = 4;

/// Returns the words to complete, if the program was called for completion.
pub(crate) fn asked(typed: &[OsString]) -> Option<Vec<String>> {
    let called = typed.first().map(Path::new).and_then(Path::file_stem)?;
    let words = match typed.get(1) {
        _ if called == NAME => &typed[1..],
        Some(first) if first == HIDDEN => &typed[2..],
        _ => return None,
    };
    Some(words.iter().map(|word| word.to_string_lossy().into_owned()).collect())
}

/// Prints the candidates for the next word.
pub(crate) fn run(ui: &Ui, words: &[String]) {
    let mut root = command_line::command();
    root.build();
    let answer = answer(&Line::read(&root, words), live::look_up);
    // A closed pipe is not an error of the plugin.
    ui.out(&answer).ok();
}

/// Returns the answer in kubectl's form. `live` looks up existing objects.
fn answer(line: &Line<'_>, live: impl FnOnce(&live::Lookup) -> Vec<Candidate>) -> String {
    let (mut candidates, files) = match &line.wanted {
        Wanted::Command => (line.commands(), false),
        Wanted::Flag => (line.flags(), false),
        Wanted::Value(argument) => match line::values(argument) {
            Some(values) => values,
            None => {
                let found = line.question(argument).map(|question| live(&question)).unwrap_or_default();
                (line.open(argument, found), line::is_place(argument))
            }
        },
        Wanted::Nothing => (Vec::new(), false),
    };
    candidates.retain(|candidate| candidate.text.starts_with(&line.typed));
    if candidates.is_empty() && !files && line.typed.is_empty() && line.is_at_a_name() {
        candidates = line.required();
    }
    let half = !candidates.is_empty() && candidates.iter().all(|candidate| candidate.text.ends_with(['=', ':']));
    let directive = if files { 0 } else { NO_FILES } | if half { NO_SPACE } else { 0 };
    let mut text = String::new();
    for Candidate { text: candidate, about } in candidates {
        text.push_str(&line.prefix);
        text.push_str(&escape::line(&candidate));
        if let Some(about) = about {
            text.push('\t');
            text.push_str(&escape::line(&about));
        }
        text.push('\n');
    }
    text.push_str(&format!(":{directive}\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Completes these words, the last of which is incomplete, with a few existing objects.
    fn answered(typed: &str) -> String {
        let words: Vec<String> = typed.split(' ').map(str::to_owned).collect();
        let mut root = command_line::command();
        root.build();
        let there = |question: &live::Lookup| match question.what {
            live::LookupKind::Clusters => vec![Candidate::about("web", "3 of cpu=1"), Candidate::plain("db")],
            live::LookupKind::Instances => ["web-0", "web-1", "db-0"].map(Candidate::plain).to_vec(),
            live::LookupKind::Users => vec![Candidate::plain("john")],
            live::LookupKind::Tokens(ref user) => vec![Candidate::plain(format!("{user}-x7k2p"))],
            live::LookupKind::Namespaces => vec![Candidate::plain("web-ns")],
            live::LookupKind::Contexts => vec![Candidate::plain("work")],
            live::LookupKind::Templates => ["container", "gpu"].map(Candidate::plain).to_vec(),
            live::LookupKind::Snapshots => vec![Candidate::plain("before")],
            live::LookupKind::KubeClusters | live::LookupKind::KubeUsers => vec![Candidate::plain("kind")],
        };
        answer(&Line::read(&root, &words), there)
    }

    /// Compares the names of the candidates, and the directive.
    fn check(typed: &str, expected: &str) {
        let answer = answered(typed);
        let names: Vec<&str> = answer.lines().filter_map(|line| line.split('\t').next()).collect();
        assert_eq!(names.join(" "), expected, "{typed:?}");
    }

    #[test]
    fn commands_types_and_names() {
        check("sus", "suspend :4");
        check("suspend ", "cluster instance :4");
        check("frobnicate ", ":4");
        check("suspend cluster ", "web db :4");
        check("suspend cluster w", "web :4");
        check("suspend clusters web ", "db :4");
        check("suspend cluster/", "cluster/web cluster/db :4");
        check("suspend cluster/web d", "db :4");
        check("suspend cl/", "cl/web cl/db :4");
        check("suspend cl web ", "db :4");
        check("stop in in/web-0 in/w", "in/web-1 :4");
        check("get sched ", "web db :4");
        check("get snap b", "before :4");
        check("restore cluster web --snapshot ", "before :4");
        check("snapshot cluster web --name ", ":4");
        check("suspend cluster cluster/w", "cluster/web :4");
        check("stop instance web-", "web-0 web-1 :4");
        check("stop instance web/", "web/0 web/1 :4");
        check("stop instance instance/web-0 web", "web-1 :4");
        check("scale cluster web ", "--count :4");
        check("exec web-1 ", ":4");
        check("exec ", "web-0 web-1 db-0 :4");
        check("exec web-0 -- b", ":4");
        check("port-forward web-", "web-0 web-1 :4");
        check("attach d", "db-0 :4");
        check("cp web-", "web-0: web-1: :2");
        check("cp web-0:/etc/hosts ho", ":0");
        check("top ", "clusters instances users :4");
        check("top cl ", "web db :4");
        check("top instance web-", "web-0 web-1 :4");
        check("top user ", "john :4");
        check("wait cluster w", "web :4");
        check("wait cluster web ", "db :4");
        check("wait cluster web --for ", "state=running state=suspended state=stopped delete :4");
        check("wait cluster/d", "cluster/db :4");
        check("rollout restart cluster ", "web db :4");
        check("label cluster w", "web :4");
        check("label cluster/", "cluster/web cluster/db :4");
        check("annotate cluster web ", "db :4");
        check("rollout restart cluster/w", "cluster/web :4");
        check("quota j", "john :4");
        check("delete token john ", "john-x7k2p :4");
        check("delete token  ", ":4");
        check("create token j", "john :4");
        assert_eq!(answered("get cluster w"), "web\t3 of cpu=1\n:4\n");
    }

    #[test]
    fn a_new_name_is_not_offered_but_its_required_flags_are() {
        check("create cluster ", "--cpu --memory :4");
        check("create cluster web ", "--cpu --memory :4");
        check("create cluster web --cpu 1 ", "--memory :4");
        check("create user ", "--cpu --memory :4");
    }

    #[test]
    fn flags_and_their_values() {
        check("describe template ", "container gpu :4");
        check("create cluster web --template g", "gpu :4");
        check("create cluster web --co", "--count --command --context :4");
        check("create cluster web --count 1 --coun", ":4");
        check("create cluster web --resource a=1 --reso", "--resource :4");
        check("delete cluster web --al", ":4");
        check("delete cluster --al", "--all --all-namespaces :4");
        check("delete cluster --own", "--owner :4");
        check("get clusters -o ", "json yaml wide name jsonpath= custom-columns= :4");
        check("get clusters --output=j", "json jsonpath= :4");
        check("get clusters -o jsonp", "jsonpath= :6");
        check("create token john -o ", "json yaml name jsonpath= :4");
        check("delete cluster web -o ", "name :4");
        check("create cluster --type ", "container vm :4");
        check("suspend cluster web --mode ", "pause halt :4");
        check("suspend cluster web --dry-run=", "none client server :4");
        check("suspend cluster --reason ", ":4");
        check("get instances --in ", "web db :4");
        check("top clusters --sort-by ", "cpu memory :4");
        check("get clusters --owner ", "john :4");
        check("get clusters -n ", "web-ns :4");
        check("get clusters -Ao y", "yaml :4");
        check("get clusters --context ", "work :4");
        check("quota --user ", "kind :4");
        check("quota --kubeconfig ", ":0");
        check("install --mirror --prom", "--prometheus :4");
        check("install --mirror=f", "false :4");
        check("create cluster web --ssh-key ", ":0");
        check("--con", "--context :4");
        check("--context work get c", "clusters :4");
    }

    #[test]
    fn completion_is_recognized_by_the_program_name_or_the_first_word() {
        let check = |typed: &[&str], expected: Option<&[&str]>| {
            let typed: Vec<OsString> = typed.iter().map(OsString::from).collect();
            let expected = expected.map(|words| words.iter().map(|word| (*word).to_owned()).collect());
            assert_eq!(asked(&typed), expected, "{typed:?}");
        };
        check(&["/bin/kubectl_complete-cmp", "get", ""], Some(&["get", ""]));
        check(&["kubectl-cmp", "__complete", "get", ""], Some(&["get", ""]));
        check(&["kubectl-cmp", "get", "__complete"], None);
        check(&[], None);
    }
}

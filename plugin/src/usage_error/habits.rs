//! The commands and flags that somebody means who is used to other tools.

/// Suggests where a superfluous word belongs.
pub(super) fn belongs(word: &str, path: &str) -> Option<String> {
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
        "create cluster" if !word.starts_with('-') => {
            Some("create one cluster per command; a command for its instances comes at the end, after --".to_owned())
        }
        "resize cluster" if !word.starts_with('-') => Some("write amounts as flags: --cpu 4 --memory 8Gi".to_owned()),
        "attach" => Some(format!("to run a command: kubectl cmp exec INSTANCE -- {word} ...")),
        "ssh" => Some(format!("to run a command in the VM: kubectl cmp ssh INSTANCE -c '{word} ...'")),
        "events" if !word.starts_with('-') => Some("name one cluster, or none to see the events of all".to_owned()),
        _ => None,
    }
}

/// Explains `USER@INSTANCE`, which is ssh's own form.
pub(super) fn login(path: &str, value: &str) -> Option<String> {
    let (user, instance) = value.split_once('@').filter(|_| path == "kubectl cmp ssh")?;
    Some(format!("name the user with -l: kubectl cmp ssh {instance} -l {user}"))
}

/// Names the command or the flag that does what an unknown flag stands for.
pub(super) fn elsewhere(flag: &str, path: &str) -> Option<String> {
    let path = path.strip_prefix("kubectl cmp ")?;
    let (verb, noun) = path.split_once(' ').unwrap_or((path, ""));
    let of_clusters = ["--all", "-A", "--all-namespaces", "-l", "--selector", "--owner"];
    Some(match (verb, noun, flag) {
        ("create" | "resize" | "set", _, "--gpu" | "--gpus") => {
            "devices are further resources: --resource nvidia.com/gpu=N".to_owned()
        }
        ("resize", _, "--disk" | "--data-disk") => "a disk keeps its size".to_owned(),
        ("edit", _, "--count" | "--replicas") => {
            "without an editor: kubectl cmp scale cluster NAME --count N".to_owned()
        }
        ("edit", _, "--cpu" | "--memory" | "--resource") => {
            format!("without an editor: kubectl cmp resize cluster NAME {flag} AMOUNT")
        }
        ("describe", _, "-o" | "--output") => format!("as an object: kubectl cmp get {noun} NAME -o yaml"),
        ("quota" | "whoami", _, "--owner") => "name the user: kubectl cmp quota USER".to_owned(),
        ("top", "users" | "user" | "us", "--owner") => "name the users: kubectl cmp top users USER".to_owned(),
        ("top", _, "-w" | "--watch") => "on a terminal top goes on until q; --once prints once".to_owned(),
        ("report", _, "--last" | "--since") => "name the start: --from 7d".to_owned(),
        ("delete", _, "--force" | "--now") => "--yes deletes without a question".to_owned(),
        ("resize", _, "--count" | "--replicas") => {
            "the number of instances: kubectl cmp scale cluster NAME --count N".to_owned()
        }
        ("scale", _, "--cpu" | "--memory" | "--resource") => {
            format!("the size of instances: kubectl cmp resize cluster NAME {flag} AMOUNT")
        }
        ("suspend" | "resume", "instance" | "instances" | "in", flag)
            if flag == "--for" || of_clusters.contains(&flag) =>
        {
            format!("{flag} is for clusters: kubectl cmp {verb} cluster")
        }
        ("start" | "stop", _, flag) if of_clusters.contains(&flag) => {
            let verb = if verb == "start" { "resume" } else { "suspend" };
            format!("{flag} is for clusters: kubectl cmp {verb} cluster")
        }
        _ => return None,
    })
}

/// Returns the command for a word that other tools use.
pub(super) fn known_as(word: &str) -> Option<&'static str> {
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
        "import" | "apply" => "kubectl cmp create -f FILE",
        "usage" => "kubectl cmp top, kubectl cmp quota, or kubectl cmp report for past usage",
        "cost" | "bill" | "billing" => "kubectl cmp report",
        "cron" | "timer" => "kubectl cmp schedule",
        _ => return None,
    })
}

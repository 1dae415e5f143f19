//! `edit cluster`: a script is the editor.

use std::fs;

use cmp_tests::process::Folder;
use cmp_tests::{Output, World, shell};

use crate::support::{running, shared};

/// Edits a cluster with a shell command that gets the path of the file as its last word.
fn edit(user: &World<'_>, folder: &Folder, cluster: &str, editor: &str, flags: &[&str]) -> Output {
    let mut command = shell::command(&user.kubeconfig);
    command.args(["cmp", "edit", "cluster", cluster]).args(flags);
    command.env("TMPDIR", folder.path()).env("EDITOR", "false").env("KUBE_EDITOR", editor);
    shell::run(command, "")
}

/// Returns the files that were left in a folder.
fn left(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap().flatten();
    entries.map(|entry| fs::read_to_string(entry.path()).unwrap()).collect()
}

#[test]
fn an_edit_takes_the_paths_of_the_other_verbs() {
    let (user, folder) = (shared().user("8", "8Gi"), Folder::new());
    let web = running(&user, "web", 2, "1", "1Gi");
    let edit = |editor: &str, flags: &[&str]| edit(&user, &folder, &web, editor, flags);
    let cancelled = "Edit cancelled, no changes made.";
    edit("true", &[]).ok().says(cancelled).says_not("edited");
    edit("sed -i d", &[]).ok().says(cancelled);
    edit("false", &[]).fails().says("there was a problem with the editor \"false\"");
    left(&folder).iter().for_each(|file| assert!(file.contains("Please edit the object below.")));

    // Labels, a schedule and one instance more, in one go and without a question.
    let all = "sed -i -e 's/^  count: 2/  count: 3/' -e 's/^metadata:/metadata:\\n  labels: {app: web}/' \
               -e 's/^spec:/spec:\\n  schedule: {suspend: 0 19 * * *}/'";
    edit(all, &["--dry-run=server"]).ok().says(&format!("cluster/{web} edited (server dry run)")).says("cpu=3");
    edit(all, &["--dry-run=client"]).ok().says("plan:").says(&format!("create those of {web}-0 to {web}-2"));
    edit(all, &[]).ok().says(&format!("cluster/{web} edited"));
    let object = user.cmp(&["get", "cluster", &web, "-o", "json"]).ok().json();
    assert_eq!(object["metadata"]["labels"]["app"], "web");
    assert_eq!((&object["spec"]["count"], &object["spec"]["schedule"]["suspend"]), (&3.into(), &"0 19 * * *".into()));
    user.becomes(&format!("{web}-2"), "running");

    // Less asks first. Another size restarts what is left.
    let less = "sed -i -e 's/\"count\": 3/\"count\": 1/' -e 's/\"cpu\": \"1\"/\"cpu\": \"2\"/'";
    edit(less, &["-o", "json"]).fails().says(&format!("instance/{web}-2")).says("--yes");
    assert_eq!(user.cmp(&["get", "cluster", &web, "-o", "json"]).ok().json()["spec"]["count"], 3);
    edit(less, &["-o", "json", "--yes"]).ok().says(&format!("cluster/{web} edited"));
    let object = user.cmp(&["get", "cluster", &web, "-o", "json"]).ok().json();
    assert_eq!((&object["spec"]["count"], &object["spec"]["size"]["cpu"]), (&1.into(), &"2".into()));
}

#[test]
fn an_invalid_edit_is_opened_again_and_then_kept() {
    let (user, folder) = (shared().user("4", "4Gi"), Folder::new());
    let web = running(&user, "web", 1, "1", "1Gi");
    let edit = |editor: &str| edit(&user, &folder, &web, editor, &[]);
    for (change, expected) in [
        ("s/^  type: container/  type: vm/", "spec.type of cluster"),
        ("s/^  name: .*/  name: other/", "metadata.name cannot be changed"),
        ("s/^  count: 1/  count: 9/", "exceeded quota"),
        ("s/^  count: 1/  count: [/", "error"),
    ] {
        let before = left(&folder).len();
        let said = edit(&format!("sed -i -e '{change}'")).fails();
        said.says(expected).says("A copy of your changes has been stored to \"");
        let copies = left(&folder);
        assert_eq!(copies.len(), before + 1, "{change}");
        assert!(copies.iter().any(|copy| copy.contains("was not valid:\n# * ")), "{copies:?}");
    }
    // The second time the script corrects its error.
    let corrected = "sh -c 'if grep -q \"was not valid\" \"$0\"; then sed -i \"s/count: 9/count: 2/\" \"$0\"; else sed -i \"s/count: 1/count: 9/\" \"$0\"; fi'";
    edit(corrected).ok().says(&format!("cluster/{web} edited"));

    // A change of somebody else meanwhile is told, and stays.
    let meanwhile =
        format!("sh -c 'kubectl cmp label cluster {web} app=mine >&2 && sed -i \"s/count: 2/count: 1/\" \"$0\"'");
    edit(&meanwhile).fails().says("was changed by somebody else since it was opened").says("A copy of your changes");
    let object = user.cmp(&["get", "cluster", &web, "-o", "json"]).ok().json();
    assert_eq!((&object["spec"]["count"], &object["metadata"]["labels"]["app"]), (&2.into(), &"mine".into()));
}

//! The disks of virtual machines: who loses what, and who is told before.

use crate::support::installed;

#[test]
fn nobody_loses_the_root_disk_of_a_machine_unwarned() {
    let user = installed().user("8", "16Gi");
    let dev = user.cluster("dev");
    let size = ["--type", "vm", "--cpu", "1", "--memory", "1Gi", "--count", "2", "--wait", "--timeout", "120s"];
    let create = [["create", "cluster", &dev].as_slice(), &size].concat();
    user.cmp(&create).ok().says(&format!("cluster/{dev}: the root disk of each VM is ephemeral"));
    user.cmp(&create).ok().says_not("ephemeral");
    for what in ["clusters", "instances"] {
        user.cmp(&["get", what, "-o", "wide"]).ok().says("DISK").says("ephemeral");
    }
    user.cmp(&["describe", "cluster", &dev])
        .ok()
        .says("pause (default): keeps memory, disk, quota and the place on the node")
        .says("discards the content of the root disk; the quota stays charged");

    // Without a terminal nobody can answer, so that each command goes on with one warning.
    let discards = |output: &cmp_tests::Output, warning: &str| {
        assert_eq!(output.stderr.matches("Warning: ").count(), 1, "{output}");
        output.clone().says(warning);
    };
    let (one, halt) = (format!("{dev}-0"), ["suspend", "cluster", &dev, "--mode", "halt"]);
    let dry = user.cmp(&[halt.as_slice(), &["--dry-run=server"]].concat()).ok();
    discards(
        &dry,
        &format!("suspend --mode halt discards the content of the ephemeral root disks of {dev}-0 to {dev}-1"),
    );
    user.cmp(&["suspend", "cluster", &dev, "--dry-run=server"]).ok().says_not("Warning: ");
    let resized = user.cmp(&["resize", "cluster", &dev, "--cpu", "2", "--yes", "--timeout", "120s"]).ok();
    discards(&resized, "resize discards the content of the ephemeral root disks of");
    let schedule = ["schedule", "cluster", &dev, "--suspend", "0 0 1 1 *", "--mode"];
    user.cmp(&[schedule.as_slice(), &["pause"]].concat()).ok().says_not("Warning: ");
    let scheduled = user.cmp(&[schedule.as_slice(), &["halt"]].concat()).ok();
    discards(&scheduled, &format!("discards the content of the ephemeral root disks of cluster {dev}"));
    let stopped = user.cmp(&["stop", "instance", &one, "--wait", "--timeout", "120s"]).ok();
    discards(&stopped, &format!("stop discards the content of the ephemeral root disk of {one}"));
    user.cmp(&["stop", "instance", &one]).ok().says_not("Warning: ");
}

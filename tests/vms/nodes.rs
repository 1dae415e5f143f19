//! Nodes of one test, which may drain and lose them.

use std::cell::RefCell;

use cmp_tests::control_plane::node_objects;
use cmp_tests::{World, eventually};
use serde_json::{Value, json};

use crate::support::{SOON, shared};

/// The label of the nodes of one test.
const LABEL: &str = "tests.kubectl-cmp.dev/nodes-of";

/// The nodes of one test. The scheduler places other Pods there only if no other node has room.
pub(crate) struct Nodes {
    of: String,
    added: RefCell<Vec<String>>,
}

impl Nodes {
    pub(crate) fn new(user: &World<'_>) -> Self {
        Self { of: user.name.clone(), added: RefCell::default() }
    }

    /// Returns the name of one of the nodes.
    pub(crate) fn name(&self, node: &str) -> String {
        format!("{}-{node}", self.of)
    }

    /// Adds a node, and waits until VMs can run there.
    pub(crate) fn add(&self, node: &str) {
        let name = self.name(node);
        let mut object = node_objects(true).remove(0);
        object["metadata"]["name"] = json!(name);
        object["metadata"]["labels"]["kubernetes.io/hostname"] = json!(name);
        object["metadata"]["labels"][LABEL] = json!(self.of);
        object["spec"] = json!({ "taints": [{ "key": LABEL, "value": self.of, "effect": "PreferNoSchedule" }] });
        shared().admin_reading(&["create", "-f", "-"], &object.to_string()).ok();
        self.added.borrow_mut().push(name.clone());
        eventually("virt-handler runs on the node", SOON, || {
            let there = format!("spec.nodeName={name},status.phase=Running");
            let what = ["get", "pods", "-n", "kubevirt", "-l", "kubevirt.io=virt-handler", "-o", "name"];
            let pods = shared().admin(&[&what[..], &["--field-selector", &there]].concat());
            if pods.stdout.is_empty() { Err(pods.to_string()) } else { Ok(()) }
        });
    }

    /// Returns the patch that places a machine on these nodes, with further fields of its spec.
    pub(crate) fn patch(&self, spec: &Value) -> String {
        let mut spec = spec.clone();
        spec["nodeSelector"] = json!({ LABEL: self.of });
        json!({ "spec": { "template": { "spec": spec } } }).to_string()
    }

    /// Removes a node at once, as if its machine was lost and an administrator had removed the Node object.
    pub(crate) fn lose(&self, node: &str) {
        shared().admin(&["delete", "node", &self.name(node)]).ok();
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for name in self.added.borrow().iter() {
            shared().admin(&["delete", "node", name, "--ignore-not-found", "--wait=false"]);
        }
    }
}

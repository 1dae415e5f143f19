//! Faults of each kind, with counters that show whether they hit.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use cmp_tests::etcd::Etcd;
use cmp_tests::{Installation, eventually};
use fastrand::Rng;
use serde_json::json;

use crate::clients::REFUSES;
use crate::observer::Observer;
use crate::support::runtime;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    ReplicaKilled,
    ReplicaStopped,
    ApiServerRestarted,
    EtcdPaused,
    QuotaRaised,
    QuotaLowered,
    NamespaceDeleted,
    RefusedAtRandom,
}

/// All kinds of faults; the test fails if one never hit.
pub(crate) const FAULTS: [Fault; 8] = [
    Fault::ReplicaKilled,
    Fault::ReplicaStopped,
    Fault::ApiServerRestarted,
    Fault::EtcdPaused,
    Fault::QuotaRaised,
    Fault::QuotaLowered,
    Fault::NamespaceDeleted,
    Fault::RefusedAtRandom,
];

/// The longest pause of etcd. It can delay the write of an admitted request this long beyond the API server's own
/// deadline. Both together stay within the admission window of the test.
const ETCD_PAUSE: Duration = Duration::from_secs(3);
/// The longest time to undo everything: the API server may just have been restarted.
const MENDED: Duration = Duration::from_secs(120);
const POLICY: &str = "chaos";

/// The way to undo a fault. The order matters: requests to the API server need etcd, so etcd comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Undo {
    ResumeEtcd,
    ResumeReplica(usize),
    StartReplica(usize),
    Unbind,
}

/// The injector of the faults.
pub(crate) struct Faults<'a> {
    installation: &'a mut Installation,
    users: &'a [String],
    random: Rng,
    observer: &'a Observer,
    undo: Vec<(Instant, Undo)>,
    api_server: Instant,
    /// How often each kind hit.
    pub(crate) hits: BTreeMap<Fault, u64>,
}

impl<'a> Faults<'a> {
    pub(crate) fn new(
        installation: &'a mut Installation,
        users: &'a [String],
        random: Rng,
        observer: &'a Observer,
    ) -> Self {
        let policy = json!([
            { "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
              "metadata": { "name": POLICY },
              "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": { "resourceRules": [
                    { "apiGroups": ["", "apps", "rbac.authorization.k8s.io"], "apiVersions": ["*"],
                      "operations": ["CREATE", "UPDATE"],
                      "resources": ["namespaces", "configmaps", "limitranges", "resourcequotas", "rolebindings",
                                    "statefulsets"] } ] },
                // The policy exempts the control plane and administrators, which are out of scope here.
                "matchConditions": [{ "name": "ours", "expression":
                    "'system:serviceaccounts:cmp-users' in request.userInfo.groups || \
                     request.userInfo.username == 'system:serviceaccount:cmp-system:cmp-webhook'" }],
                "validations": [{ "message": REFUSES, "reason": "Forbidden", "expression":
                    "request.operation == 'CREATE' ? !object.metadata.uid.matches('[0-5]$') \
                     : !object.metadata.resourceVersion.matches('[0247]$')" }],
              } },
        ]);
        installation.plane.admin_reading(&["create", "-f", "-"], &policy[0].to_string()).ok();
        Self {
            installation,
            users,
            random,
            observer,
            undo: Vec::new(),
            api_server: Instant::now(),
            hits: BTreeMap::new(),
        }
    }

    /// Injects faults for this time, and undoes all of them afterwards.
    pub(crate) fn run(&mut self, duration: Duration) {
        let end = Instant::now() + duration;
        let mut queue = Vec::new();
        let mut next = Instant::now() + Duration::from_secs(3);
        while Instant::now() < end {
            self.mend(Some(Instant::now()));
            if Instant::now() >= next {
                if queue.is_empty() {
                    queue = FAULTS.to_vec();
                    self.random.shuffle(&mut queue);
                }
                if let Some(fault) = queue.pop() {
                    let hit = self.hit(fault);
                    self.observer.note(json!({ "fault": format!("{fault:?}"), "hit": hit }));
                    *self.hits.entry(fault).or_default() += u64::from(hit);
                    // There was nothing to hit, such as a replica that runs. The fault comes again at the end of this round.
                    if !hit {
                        queue.insert(0, fault);
                    }
                }
                next = Instant::now() + Duration::from_millis(self.random.u64(200..2500));
            }
            thread::sleep(Duration::from_millis(50));
        }
        self.mend_all();
    }

    /// Undoes all faults, whether they are due or not.
    fn mend_all(&mut self) {
        eventually("all faults are undone", MENDED, || {
            let left = self.mend(None);
            if self.undo.is_empty() { Ok(()) } else { Err(format!("{left:?}\n{:?}", self.undo)) }
        });
        self.observer.note(json!({ "fault": "none any more" }));
    }

    /// Undoes the faults that are due by then, or all of them. Keeps the faults that cannot be undone yet, and returns
    /// the reasons.
    fn mend(&mut self, by: Option<Instant>) -> Vec<String> {
        let mut left = Vec::new();
        let (mut due, later) =
            std::mem::take(&mut self.undo).into_iter().partition(|(when, _)| by.is_none_or(|by| *when <= by));
        self.undo = later;
        due.sort_by_key(|(when, undo)| (*undo, *when));
        for (when, undo) in due {
            self.observer.note(json!({ "fault": "undone", "what": format!("{undo:?}") }));
            match undo {
                Undo::StartReplica(replica) => self.installation.replicas[replica].restart(),
                Undo::ResumeReplica(replica) => self.installation.replicas[replica].resume(),
                Undo::ResumeEtcd => self.installation.plane.etcd.resume(),
                Undo::Unbind => {
                    let unbind = ["delete", "validatingadmissionpolicybinding", POLICY, "--request-timeout=5s"];
                    let unbound = self.installation.plane.admin(&unbind);
                    if unbound.code != 0 && !unbound.stderr.contains("not found") {
                        // The API server does not answer: the next round tries again.
                        self.undo.push((when, Undo::Unbind));
                        left.push(unbound.to_string());
                    }
                }
            }
        }
        left
    }

    fn later(&mut self, least: u64, most: u64, undo: Undo) {
        let after = Duration::from_millis(self.random.u64(least..most));
        self.undo.push((Instant::now() + after, undo));
    }

    /// Picks a replica that no fault affects at the moment.
    fn untouched(&mut self) -> Option<usize> {
        let mut all: Vec<usize> = (0..self.installation.replicas.len()).collect();
        all.retain(|replica| {
            !self
                .undo
                .iter()
                .any(|(_, undo)| matches!(undo, Undo::StartReplica(at) | Undo::ResumeReplica(at) if at == replica))
        });
        if all.is_empty() { None } else { Some(all[self.random.usize(0..all.len())]) }
    }

    /// Injects a fault, and reports whether its target was there to be hit.
    fn hit(&mut self, fault: Fault) -> bool {
        match fault {
            Fault::ReplicaKilled => {
                let Some(at) = self.untouched() else { return false };
                let was = self.installation.replicas[at].is_running();
                self.installation.replicas[at].kill();
                self.later(100, 3000, Undo::StartReplica(at));
                was && !self.installation.replicas[at].is_running()
            }
            Fault::ReplicaStopped => {
                let Some(at) = self.untouched() else { return false };
                self.installation.replicas[at].pause();
                self.later(1000, 8000, Undo::ResumeReplica(at));
                self.installation.replicas[at].is_paused()
            }
            Fault::ApiServerRestarted => {
                // The API server needs some seconds to come back. With shorter gaps no client would get anything done.
                if self.api_server.elapsed() < Duration::from_secs(15) {
                    return false;
                }
                self.api_server = Instant::now();
                let was = self.installation.plane.apiserver.is_running();
                self.installation.plane.apiserver.kill();
                self.installation.plane.apiserver.restart();
                was
            }
            Fault::EtcdPaused => {
                self.installation.plane.etcd.pause();
                let most = u64::try_from(ETCD_PAUSE.as_millis()).unwrap_or(u64::MAX);
                self.later(500, most, Undo::ResumeEtcd);
                self.installation.plane.etcd.is_paused()
            }
            Fault::QuotaRaised => self.quota(self.random.clone().u32(8..12)),
            Fault::QuotaLowered => self.quota(self.random.clone().u32(1..5)),
            Fault::NamespaceDeleted => {
                let list = ["get", "namespaces", "-l", "kubectl-cmp.dev/owner", "-o", "name", "--request-timeout=5s"];
                let listed = self.installation.plane.admin(&list).stdout;
                let names: Vec<&str> = listed.lines().collect();
                if names.is_empty() {
                    return false;
                }
                let name = names[self.random.usize(0..names.len())];
                let delete = ["delete", name, "--wait=false", "--request-timeout=5s"];
                self.installation.plane.admin(&delete).code == 0
            }
            Fault::RefusedAtRandom => {
                let binding = json!({
                    "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
                    "metadata": { "name": POLICY }, "spec": { "policyName": POLICY, "validationActions": ["Deny"] } });
                let create = ["create", "-f", "-", "--request-timeout=5s"];
                let bound = self.installation.plane.admin_reading(&create, &binding.to_string()).code == 0;
                self.later(2000, 5000, Undo::Unbind);
                bound
            }
        }
    }

    fn quota(&mut self, cpu: u32) -> bool {
        let user = &self.users[self.random.usize(0..self.users.len())];
        let quota = json!({ "cpu": cpu.to_string(), "memory": "64Gi" }).to_string();
        let patch = json!({ "data": { "quota": quota } }).to_string();
        let patch =
            ["patch", "configmap", user, "-n", "cmp-users", "--type=merge", "-p", &patch, "--request-timeout=5s"];
        self.installation.plane.admin(&patch).code == 0
    }
}

/// Regression test: this order of hits once let the test hang. The binding was undone before etcd, again and again.
#[test]
fn a_binding_is_taken_away_after_etcd_answers_again() {
    let _beside = crate::beside();
    let runtime = runtime();
    let mut installation = Installation::start(1, "3s");
    let etcd = runtime.block_on(async { Etcd::new(installation.plane.etcd_url()) });
    let observer = Observer::start(etcd, installation.plane.folder(), &runtime);
    let mut faults = Faults::new(&mut installation, &[], Rng::new(), &observer);
    assert!(faults.hit(Fault::RefusedAtRandom) && faults.hit(Fault::EtcdPaused));
    faults.undo.reverse();
    assert_eq!(faults.undo.iter().map(|(_, undo)| *undo).collect::<Vec<_>>(), [Undo::ResumeEtcd, Undo::Unbind]);
    faults.mend_all();
    assert!(!installation.plane.etcd.is_paused());
    installation.plane.admin(&["get", "validatingadmissionpolicybinding", POLICY]).fails().says("not found");
}

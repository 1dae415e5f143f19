//! Churn: twelve creators and four deleters work as fast as they can. The in-tree ResourceQuota admits too many objects
//! under this load, because it recounts from a cache that is behind. The test runs the churn at both levels of cmp, and
//! on the in-tree quota for comparison.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cmp_tests::control_plane::Options;
use cmp_tests::etcd::Etcd;
use cmp_tests::{ControlPlane, Installation};
use fastrand::Rng;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client};
use serde_json::json;

use crate::observer::Observer;
use crate::support::{finished, holds, runtime, want};
use crate::{clients, given, recovery, say};

/// The maximum of the user's clusters, and of the Pods under the in-tree quota.
const LIMIT: u32 = 20;
/// The maximum of the cluster's instances. It is small enough to be reached although two controllers have to create
/// each Pod.
const INSTANCES: u32 = 8;
const CREATORS: usize = 12;
const DELETERS: usize = 4;
const NAMES: u32 = 30;

/// Returns a client for a kubeconfig that talks to the API server on this port.
async fn client_at(kubeconfig: &Path, port: u16) -> Client {
    let mut read = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig of ours");
    for cluster in read.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
        cluster.server = Some(format!("https://127.0.0.1:{port}"));
    }
    let config = kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
    Client::try_from(config.expect("a kubeconfig of ours")).expect("a client")
}

/// The churn on objects of one kind, and the number of creations, refusals and deletions.
#[derive(Clone)]
struct Load {
    kind: Kind,
    end: Instant,
    made: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
    deleted: Arc<AtomicU64>,
}

#[derive(Clone, Copy)]
enum Kind {
    /// Wants of one account.
    Clusters,
    /// StatefulSets in one cluster, with names within its count and beyond.
    Instances,
    /// Bare Pods in a namespace with a ResourceQuota and nothing else.
    InTree,
}

impl Load {
    fn new(kind: Kind, end: Instant) -> Self {
        Self { kind, end, made: Arc::default(), refused: Arc::default(), deleted: Arc::default() }
    }

    /// Starts all creators and deleters, and spreads them over these API servers.
    fn start(&self, runtime: &tokio::runtime::Runtime, clients: &[Client]) -> Vec<tokio::task::JoinHandle<()>> {
        let one = |at: usize| {
            let (load, client, mut random) = (self.clone(), clients[at % clients.len()].clone(), Rng::new());
            runtime.spawn(async move {
                while Instant::now() < load.end {
                    let name = random.u32(0..NAMES);
                    if at < CREATORS { load.create(&client, name).await } else { load.delete(&client, name).await }
                }
            })
        };
        (0..CREATORS + DELETERS).map(one).collect()
    }

    async fn create(&self, client: &Client, at: u32) {
        let params = PostParams::default();
        let made = match self.kind {
            Kind::Clusters => return self.count(self.patch(client, at, Some(want(1, "1", "1Gi"))).await),
            Kind::Instances => {
                let sets: Api<StatefulSet> = Api::namespaced(client.clone(), "many-ns");
                let size = json!({ "cpu": "1", "memory": "1Gi" });
                sets.create(&params, &clients::instance("many", at.into(), &size)).await.map(|_| ())
            }
            Kind::InTree => {
                let pods: Api<Pod> = Api::namespaced(client.clone(), "in-tree");
                let pod = json!({ "metadata": { "name": format!("pod-{at}") },
                    "spec": { "terminationGracePeriodSeconds": 0, "containers": [{ "name": "a", "image": "x" }] } });
                let pod: Pod = serde_json::from_value(pod).expect("a Pod");
                pods.create(&params, &pod).await.map(|_| ())
            }
        };
        self.count(made);
    }

    fn count(&self, made: kube::Result<()>) {
        match made {
            Ok(()) => self.made.fetch_add(1, Ordering::Relaxed),
            Err(kube::Error::Api(status)) if status.code == 403 => self.refused.fetch_add(1, Ordering::Relaxed),
            Err(_) => 0,
        };
    }

    async fn patch(&self, client: &Client, at: u32, value: Option<String>) -> kube::Result<()> {
        let accounts: Api<ConfigMap> = Api::namespaced(client.clone(), "cmp-users");
        let patch = Patch::Merge(json!({ "data": { format!("want.c{at}"): value } }));
        accounts.patch("churn", &PatchParams::default(), &patch).await.map(|_| ())
    }

    async fn delete(&self, client: &Client, at: u32) {
        let params = DeleteParams::background();
        let gone = match self.kind {
            Kind::Clusters => self.patch(client, at, None).await,
            Kind::Instances => {
                let sets: Api<StatefulSet> = Api::namespaced(client.clone(), "many-ns");
                sets.delete(&format!("many-{at}"), &params).await.map(|_| ())
            }
            Kind::InTree => {
                let pods: Api<Pod> = Api::namespaced(client.clone(), "in-tree");
                pods.delete(&format!("pod-{at}"), &params.grace_period(0)).await.map(|_| ())
            }
        };
        self.deleted.fetch_add(u64::from(gone.is_ok()), Ordering::Relaxed);
    }

    fn says(&self) -> String {
        let [made, refused, deleted] = [&self.made, &self.refused, &self.deleted].map(|n| n.load(Ordering::Relaxed));
        format!("{made} made, {refused} refused, {deleted} deleted")
    }
}

#[test]
fn churn_lets_nothing_above_the_limit() {
    let _alone = crate::alone();
    let plane = ControlPlane::start_with(&Options {
        apiserver: vec!["--storage-media-type=application/json".to_owned()],
        controller_manager: vec!["--kube-api-qps=200".to_owned(), "--kube-api-burst=400".to_owned()],
        ..Options::default()
    });
    let runtime = runtime();
    let etcd = runtime.block_on(async { Etcd::new(plane.etcd_url()) });
    let observer = Observer::start(etcd, plane.folder(), &runtime);
    let installed = Installation::on(plane, 2, "3s", |plane, url| {
        plane.admin(&["cmp", "install", "--webhook-url", url]).ok();
        true
    });
    let installation = installed.expect("it was installed");
    let limit = LIMIT.to_string();
    let churn = installation.user_named("churn", &limit, "100Gi");
    let inside = installation.user_named("inside", &limit, "100Gi");
    inside.patch(&json!({ "want.many": want(INSTANCES, "1", "1Gi") })).ok();
    inside.account_is("the cluster is there", |account| holds(account, "many", INSTANCES));
    let plane = &installation.plane;
    plane.admin(&["create", "namespace", "in-tree"]).ok();
    plane.admin(&["create", "quota", "cmp", "-n", "in-tree", &format!("--hard=pods={LIMIT}")]).ok();
    // The webhook judges wants at full speed. The controllers are held, because the creation of a Namespace for each
    // want is not part of this test.
    recovery::hold(&installation, "inside");

    let duration = Duration::from_secs(given("CMP_CHURN_SECONDS").unwrap_or(10));
    let (_second, port) = plane.another_apiserver();
    for ports in [vec![plane.port()], vec![plane.port(), port]] {
        let clients = |kubeconfig: &Path| -> Vec<Client> {
            ports.iter().map(|port| runtime.block_on(client_at(kubeconfig, *port))).collect()
        };
        let (users, insiders, admins) =
            (clients(&churn.kubeconfig), clients(&inside.kubeconfig), clients(&plane.kubeconfig()));
        observer.forget_peaks();
        let end = Instant::now() + duration;
        let loads = [Kind::Clusters, Kind::Instances, Kind::InTree].map(|kind| Load::new(kind, end));
        let work: Vec<_> = loads
            .iter()
            .zip([&users, &insiders, &admins])
            .flat_map(|(load, clients)| load.start(&runtime, clients))
            .collect();
        finished(&runtime, work);
        runtime.block_on(observer.catch_up()).expect("the observer catches up");
        let charged = observer.peak("churn") / 1000;
        let (pods, in_tree) = (observer.peak("many-ns"), observer.peak("in-tree"));
        say(&format!("{} API servers, for {} s:", ports.len(), duration.as_secs()));
        say(&format!("  clusters of a user: at most {charged} of {LIMIT} ({})", loads[0].says()));
        say(&format!("  instances of a cluster: at most {pods} of {INSTANCES} ({})", loads[1].says()));
        say(&format!("  Pods under the in-tree quota: at most {in_tree} of {LIMIT} ({})", loads[2].says()));
        observer.judge("churn");
        assert_eq!(charged, i128::from(LIMIT), "the limit is reached, and not passed");
        // The number of Pods that run at once depends on the speed of the machine.
        assert!(pods > 0 && pods <= i128::from(INSTANCES), "{pods} Pods");
        for load in &loads {
            let refused = load.refused.load(Ordering::Relaxed);
            assert!(refused > 0 && load.deleted.load(Ordering::Relaxed) > 0, "there was churn: {}", load.says());
        }
    }
    recovery::let_go(&installation);
}

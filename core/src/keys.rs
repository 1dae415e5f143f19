//! The names of everything of ours in Kubernetes. No other file spells these names.

/// The prefix of every label and annotation of ours.
pub const PREFIX: &str = "kubectl-cmp.dev/";
/// Label of every Namespace: its name, which the API server writes.
pub const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
/// The prefix of the labels of a Namespace that configure Pod Security.
pub const POD_SECURITY: &str = "pod-security.kubernetes.io/";
/// The `apiVersion` of the objects that `-o json` and `-o yaml` print.
pub const API_VERSION: &str = "kubectl-cmp.dev/v1";

/// The Namespace that `cmp-webhook` runs in.
pub const SYSTEM_NAMESPACE: &str = "cmp-system";
/// The Namespace of the users: ServiceAccounts, accounts and token Secrets.
pub const USERS_NAMESPACE: &str = "cmp-users";
/// The Namespace that holds the templates.
pub const TEMPLATES_NAMESPACE: &str = "cmp-templates";
/// The group that every user is in, by Kubernetes' own rule for ServiceAccounts.
pub const USERS_GROUP: &str = "system:serviceaccounts:cmp-users";
/// The prefix of every user's username; the name of the user follows.
pub const USER_PREFIX: &str = "system:serviceaccount:cmp-users:";

/// The name of the in-cluster half: ServiceAccount, Deployment, Service, webhook configuration, Lease and ClusterRole.
pub const WEBHOOK: &str = "cmp-webhook";
/// The prefix of the field managers that speak for a person; the username follows. A policy holds that.
pub const SIGNED: &str = "kubectl-cmp/";
/// The name by which cmp-webhook signs the Events that it writes into the Namespace of a cluster.
pub const REPORTER: &str = "kubectl-cmp.dev/cmp-webhook";
/// The name of the ServiceAccount, Deployment, claim and rights of the mirror.
pub const MIRROR: &str = "cmp-mirror";
/// The Namespace whose uid identifies the Kubernetes cluster: every cluster has it, and it stays.
pub const FIRST_NAMESPACE: &str = "kube-system";
/// The Secret with the certificate of cmp-webhook.
pub const CERTIFICATE_SECRET: &str = "cmp-webhook-cert";
/// The Secret that cert-manager writes the certificate into, if cert-manager is used.
pub const CERT_MANAGER_SECRET: &str = "cmp-webhook-tls";
/// The Secret of the authority with which cert-manager signs the certificate.
pub const CERT_MANAGER_AUTHORITY: &str = "cmp-webhook-ca";
/// An annotation of cert-manager: it names the authority that cert-manager writes into a webhook configuration.
pub const INJECTED: &str = "cert-manager.io/inject-ca-from";
/// The ConfigMap in the Namespace of templates that names the installed version. Everyone can read it.
pub const INSTALLED_VERSION: &str = "cmp-version";
/// The key of the version in that ConfigMap.
pub const INSTALLED_VERSION_KEY: &str = "version";
/// The key of the flags that `install` was given, as JSON.
pub const INSTALLED_FLAGS_KEY: &str = "flags";
/// The ConfigMap in the Namespace of templates that has the prices. Everyone can read it.
pub const PRICES: &str = "cmp-prices";
/// Annotation of an account that is only tried by a dry run: the answer names the version of whoever judged it.
pub const PROBE: &str = "kubectl-cmp.dev/probe";
/// ClusterRole of a user in the Namespace of a container cluster.
pub const CONTAINER_ROLE: &str = "cmp-container-user";
/// ClusterRole of a user in the Namespace of a VM cluster.
pub const VM_ROLE: &str = "cmp-vm-user";
/// ClusterRole of cmp-webhook itself in the Namespace of a cluster that has a schedule, and the name of the RoleBinding
/// to it there.
pub const SCHEDULE_ROLE: &str = "cmp-scheduler";
/// The path at which the API server asks about an account.
pub const ACCOUNT_PATH: &str = "/validate-account";
/// The path at which the API server asks about a template.
pub const TEMPLATE_PATH: &str = "/validate-template";

/// Label of a Namespace: the user who owns it.
pub const OWNER: &str = "kubectl-cmp.dev/owner";
/// Label of a Namespace and of everything of a cluster: the name of the cluster.
pub const CLUSTER: &str = "kubectl-cmp.dev/cluster";
/// Label of a Namespace: `container` or `vm`.
pub const TYPE: &str = "kubectl-cmp.dev/type";
/// Annotation of a Namespace: the number of instance names that are open.
pub const COUNT: &str = "kubectl-cmp.dev/count";
/// Annotation of a Namespace: the size of an instance, as `cpu=2,memory=4Gi`.
pub const SIZE: &str = "kubectl-cmp.dev/size";
/// Annotation of a Namespace: its cluster is released, so that none of its instances may run.
pub const RELEASED: &str = "kubectl-cmp.dev/released";
/// Annotation of a Namespace: the shape that is held for it, while that is more than the shape it is open for. This
/// much is adopted if its account is lost.
pub const RESERVED: &str = "kubectl-cmp.dev/reserved";
/// Annotation of a Namespace: it was ready once, so that it is adopted and not removed when its entry is lost.
pub const READY: &str = "kubectl-cmp.dev/ready";
/// Annotation of a Namespace: the runtime class that the template of its cluster uses, so that its instances may use
/// it.
pub const RUNTIME_CLASS: &str = "kubectl-cmp.dev/runtime-class";
/// Annotation of a Namespace: the priority class that its template uses.
pub const PRIORITY_CLASS: &str = "kubectl-cmp.dev/priority-class";
/// Annotation of a Namespace: the scheduler that its template uses.
pub const SCHEDULER: &str = "kubectl-cmp.dev/scheduler";
/// Annotation of a Namespace: the keys of the taints that its template tolerates, separated by commas.
pub const TOLERATIONS: &str = "kubectl-cmp.dev/tolerations";
/// Annotation of a Namespace: the format of its other annotations. Format 1 is not named.
pub const FORMAT: &str = "kubectl-cmp.dev/format";
/// Annotation of a Namespace: the audiences of the tokens that its template projects, separated by commas.
pub const AUDIENCES: &str = "kubectl-cmp.dev/audiences";
/// Annotation of a Namespace: the `PersistentVolumes` that the claims of its template name, separated by commas.
pub const VOLUMES: &str = "kubectl-cmp.dev/volumes";
/// Annotation of a Namespace: the secondary networks that its template names, separated by commas. A name stands there
/// once for each interface of an instance.
pub const NETWORKS: &str = "kubectl-cmp.dev/networks";
/// Annotation of a Namespace: the fields of a VM that its template grants, such as `cpu.dedicatedCpuPlacement`, separated
/// by commas.
pub const MACHINE: &str = "kubectl-cmp.dev/machine";
/// Annotation of the three fences: a nonce that each of our writes sets anew. The API server does not count a write
/// that changes nothing.
pub const NONCE: &str = "kubectl-cmp.dev/fence";
/// Annotation of a fence inside a Namespace: the uid of the Namespace it was made for. A fence that lands late, in the
/// next Namespace of the same name, is refused.
pub const MADE_FOR: &str = "kubectl-cmp.dev/made-for";

/// Annotation of the certificate's Secret: the names that the certificate is for. These four annotations save parsing
/// the certificates.
pub const CERTIFICATE_NAMES: &str = "kubectl-cmp.dev/names";
/// Annotation of the certificate's Secret: the time to renew the certificate. See [`CERTIFICATE_NAMES`].
pub const CERTIFICATE_RENEW_AT: &str = "kubectl-cmp.dev/renew-at";
/// Annotation of the certificate's Secret: the time at which the certificate ends. See [`CERTIFICATE_NAMES`].
pub const CERTIFICATE_ENDS_AT: &str = "kubectl-cmp.dev/ends-at";
/// Annotation of the certificate's Secret: the time at which its authority ends. See [`CERTIFICATE_NAMES`].
pub const CERTIFICATE_AUTHORITY_ENDS_AT: &str = "kubectl-cmp.dev/ca-ends-at";

/// Label of a template.
pub const TEMPLATE: &str = "kubectl-cmp.dev/template";
/// Label of an account.
pub const ACCOUNT: &str = "kubectl-cmp.dev/account";
/// Label of a token's Secret: the user the token belongs to.
pub const USER: &str = "kubectl-cmp.dev/user";
/// Label of a token's Secret.
pub const TOKEN: &str = "kubectl-cmp.dev/token";
/// Annotation of a token's Secret: the time at which the token ends.
pub const EXPIRES: &str = "kubectl-cmp.dev/expires";

/// Label of an instance and of its Pod.
pub const INSTANCE: &str = "kubectl-cmp.dev/instance";
/// Label of the `VirtualMachineSnapshot` of an instance: the name of the snapshot of its cluster.
pub const SNAPSHOT: &str = "kubectl-cmp.dev/snapshot";
/// Label of an instance: the state that was asked for.
pub const ASKED: &str = "kubectl-cmp.dev/asked";
/// Annotation of a suspended instance: the username of the user who suspended it.
pub const SUSPENDED_BY: &str = "kubectl-cmp.dev/suspended-by";
/// Annotation of a suspended instance: the time of the suspension.
pub const SUSPENDED_AT: &str = "kubectl-cmp.dev/suspended-at";
/// Annotation of a suspended instance: the reason.
pub const SUSPEND_REASON: &str = "kubectl-cmp.dev/suspend-reason";
/// Annotation of a suspended instance: `pause` or `halt`.
pub const SUSPEND_MODE: &str = "kubectl-cmp.dev/suspend-mode";
/// Annotation of a suspended instance: the cause that resumes it, `schedule` or `once`. Without it, only a user resumes
/// it.
pub const WOKEN_BY: &str = "kubectl-cmp.dev/woken-by";

/// The label that the controller of StatefulSets gives each of its Pods. Users can neither set nor remove it.
pub const STATEFUL_POD: &str = "statefulset.kubernetes.io/pod-name";
/// The well-known label for the tool that manages an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of that label on objects of ours.
pub const MANAGER: &str = "kubectl-cmp";
/// The well-known label for the name of the application.
pub const NAME: &str = "app.kubernetes.io/name";
/// The well-known label for the application that an object is part of. Everything that `install` applies has it.
pub const PART_OF: &str = "app.kubernetes.io/part-of";

/// The value of labels and annotations that are flags.
pub const TRUE: &str = "true";

/// Keys of an account's data.
pub mod data {
    /// The resources that the user may have.
    pub const QUOTA: &str = "quota";
    /// Further rules for the user.
    pub const POLICY: &str = "policy";
    /// The uid of the ConfigMap whose Namespaces have been looked up.
    pub const SETTLED: &str = "settled";
    /// The prefix of the wants, by cluster.
    pub const WANT: &str = "want.";
    /// The prefix of the holdings, by cluster.
    pub const HELD: &str = "held.";
    /// The prefix of the wishes to delete a cluster.
    pub const DELETE: &str = "delete.";
    /// The prefix of the reasons why a want was taken back, by cluster.
    pub const REFUSED: &str = "refused.";
    /// The prefix of the transitions that a schedule executed last, by cluster.
    pub const SCHEDULED: &str = "scheduled.";
    /// The prefix of the reasons why cmp-webhook cannot go on, by cluster.
    pub const BLOCKED: &str = "blocked.";
    /// The prefixes of all keys of a cluster.
    pub const OF_A_CLUSTER: [&str; 6] = [WANT, HELD, DELETE, REFUSED, SCHEDULED, BLOCKED];
    /// The format of the account, and the field of a value that names its format. Format 1 is not named.
    pub const FORMAT: &str = "format";
    /// The template, in a ConfigMap that holds one.
    pub const TEMPLATE: &str = "template";
}

/// The name of the ResourceQuota, LimitRange and NetworkPolicy in a cluster's Namespace.
pub const FENCE_NAME: &str = "cmp";
/// The name of the RoleBinding in a cluster's Namespace.
pub const BINDING_NAME: &str = "cmp-user";

//! How everything of ours is called in Kubernetes. No other file spells these names.

/// The prefix of every label and annotation of ours.
pub const PREFIX: &str = "kubectl-cmp.dev/";
/// `apiVersion` of the objects that `-o json` and `-o yaml` print.
pub const API_VERSION: &str = "kubectl-cmp.dev/v1";

/// Where `cmp-webhook` runs.
pub const SYSTEM_NAMESPACE: &str = "cmp-system";
/// Where the users are: ServiceAccounts, accounts and token Secrets.
pub const USERS_NAMESPACE: &str = "cmp-users";
/// Where templates are.
pub const TEMPLATES_NAMESPACE: &str = "cmp-templates";
/// The group that every user is in, by Kubernetes' own rule for ServiceAccounts.
pub const USERS_GROUP: &str = "system:serviceaccounts:cmp-users";
/// What the username of every user starts with; the name of the user follows.
pub const USER_PREFIX: &str = "system:serviceaccount:cmp-users:";

/// ServiceAccount, Deployment, Service, webhook configuration, Lease and ClusterRole of the in-cluster half.
pub const WEBHOOK: &str = "cmp-webhook";
/// ServiceAccount, Deployment, claim and rights of the mirror.
pub const MIRROR: &str = "cmp-mirror";
/// The Namespace whose uid says which Kubernetes cluster this is: it is there in each, and stays.
pub const FIRST_NAMESPACE: &str = "kube-system";
/// The Secret with its certificate.
pub const CERTIFICATE_SECRET: &str = "cmp-webhook-cert";
/// The Secret that cert-manager writes its certificate into, where it is asked to.
pub const CERT_MANAGER_SECRET: &str = "cmp-webhook-tls";
/// The Secret of the authority that signs it there.
pub const CERT_MANAGER_AUTHORITY: &str = "cmp-webhook-ca";
/// Annotation of cert-manager's: whose authority it writes into a webhook configuration.
pub const INJECTED: &str = "cert-manager.io/inject-ca-from";
/// The ConfigMap in the Namespace of templates that says, for everyone to read, which version is installed.
pub const INSTALLED_VERSION: &str = "cmp-version";
/// Its key.
pub const INSTALLED_VERSION_KEY: &str = "version";
/// The flags of `install` that were given, as JSON.
pub const INSTALLED_FLAGS_KEY: &str = "flags";
/// Annotation of an account that is only tried: the answer says the version of whoever judged it.
pub const PROBE: &str = "kubectl-cmp.dev/probe";
/// ClusterRole of a user in the Namespace of a container cluster.
pub const CONTAINER_ROLE: &str = "cmp-container-user";
/// ClusterRole of a user in the Namespace of a VM cluster.
pub const VM_ROLE: &str = "cmp-vm-user";
/// ClusterRole of cmp-webhook itself in the Namespace of a cluster that has a schedule, and the RoleBinding to it there.
pub const SCHEDULE_ROLE: &str = "cmp-scheduler";
/// Where the API server asks about an account.
pub const ACCOUNT_PATH: &str = "/validate-account";
/// Where it asks about a template.
pub const TEMPLATE_PATH: &str = "/validate-template";

/// Label of a Namespace: whose it is.
pub const OWNER: &str = "kubectl-cmp.dev/owner";
/// Label of a Namespace and of everything of a cluster: its name.
pub const CLUSTER: &str = "kubectl-cmp.dev/cluster";
/// Label of a Namespace: `container` or `vm`.
pub const TYPE: &str = "kubectl-cmp.dev/type";
/// Annotation of a Namespace: how many instance names are open.
pub const COUNT: &str = "kubectl-cmp.dev/count";
/// Annotation of a Namespace: the size of an instance, as `cpu=2,memory=4Gi`.
pub const SIZE: &str = "kubectl-cmp.dev/size";
/// Annotation of a Namespace: its cluster is released, so that none of its instances may run.
pub const RELEASED: &str = "kubectl-cmp.dev/released";
/// Annotation of a Namespace: what is held for it, while that is more than what it is open for. Should its account be
/// lost, so much is adopted.
pub const RESERVED: &str = "kubectl-cmp.dev/reserved";
/// Annotation of a Namespace: that it was ready once, so that it is adopted and not removed when its entry is lost.
pub const READY: &str = "kubectl-cmp.dev/ready";
/// Annotation of a Namespace: the runtime class that the template of its cluster uses, so that its instances may.
pub const RUNTIME_CLASS: &str = "kubectl-cmp.dev/runtime-class";
/// Annotation of a Namespace: the priority class that its template uses.
pub const PRIORITY_CLASS: &str = "kubectl-cmp.dev/priority-class";
/// Annotation of a Namespace: the scheduler that its template uses.
pub const SCHEDULER: &str = "kubectl-cmp.dev/scheduler";
/// Annotation of a Namespace: the keys of the taints that its template tolerates, with commas between.
pub const TOLERATIONS: &str = "kubectl-cmp.dev/tolerations";
/// Annotation of a Namespace: the format of its other annotations; format 1 is not named.
pub const FORMAT: &str = "kubectl-cmp.dev/format";
/// Annotation of a Namespace: the audiences of the tokens that its template projects, with commas between.
pub const AUDIENCES: &str = "kubectl-cmp.dev/audiences";
/// Annotation of a Namespace: the `PersistentVolumes` that the claims of its template name, with commas between.
pub const VOLUMES: &str = "kubectl-cmp.dev/volumes";
/// Annotation of the three fences: a value that is new with each write of ours, since the API server does not
/// count a write that changes nothing.
pub const FENCE: &str = "kubectl-cmp.dev/fence";
/// Annotation of a fence inside a Namespace: the uid of the Namespace it was made for. One that lands late, in the next
/// Namespace of the same name, is refused.
pub const MADE_FOR: &str = "kubectl-cmp.dev/made-for";

/// Annotations of the certificate's Secret: the names it is for, when it is to be renewed, when it ends, and when its
/// authority ends; what would otherwise have to be read out of the certificates.
pub const CERTIFICATE_NAMES: &str = "kubectl-cmp.dev/names";
/// See [`CERTIFICATE_NAMES`].
pub const CERTIFICATE_RENEW_AT: &str = "kubectl-cmp.dev/renew-at";
/// See [`CERTIFICATE_NAMES`].
pub const CERTIFICATE_ENDS_AT: &str = "kubectl-cmp.dev/ends-at";
/// See [`CERTIFICATE_NAMES`].
pub const CERTIFICATE_AUTHORITY_ENDS_AT: &str = "kubectl-cmp.dev/ca-ends-at";

/// Label of a template.
pub const TEMPLATE: &str = "kubectl-cmp.dev/template";
/// Label of an account.
pub const ACCOUNT: &str = "kubectl-cmp.dev/account";
/// Label of a token's Secret: whose it is.
pub const USER: &str = "kubectl-cmp.dev/user";
/// Label of a token's Secret.
pub const TOKEN: &str = "kubectl-cmp.dev/token";
/// Annotation of a token's Secret: when the token ends.
pub const EXPIRES: &str = "kubectl-cmp.dev/expires";

/// Label of an instance and of its Pod.
pub const INSTANCE: &str = "kubectl-cmp.dev/instance";
/// Label of an instance: the state that was asked for.
pub const ASKED: &str = "kubectl-cmp.dev/asked";
/// Annotation of a suspended instance: by whom.
pub const SUSPENDED_BY: &str = "kubectl-cmp.dev/suspended-by";
/// Annotation of a suspended instance: since when.
pub const SUSPENDED_AT: &str = "kubectl-cmp.dev/suspended-at";
/// Annotation of a suspended instance: why.
pub const SUSPEND_REASON: &str = "kubectl-cmp.dev/suspend-reason";
/// Annotation of a suspended instance: `pause` or `halt`.
pub const SUSPEND_MODE: &str = "kubectl-cmp.dev/suspend-mode";
/// Annotation of a suspended instance: what wakes it, `schedule` or `once`; without it, only somebody does.
pub const WOKEN_BY: &str = "kubectl-cmp.dev/woken-by";

/// The label that the controller of StatefulSets gives each of its Pods; users can neither set nor take it.
pub const STATEFUL_POD: &str = "statefulset.kubernetes.io/pod-name";
/// The well-known label for what made an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Its value on objects of ours.
pub const MANAGER: &str = "kubectl-cmp";
/// The well-known label for what runs.
pub const NAME: &str = "app.kubernetes.io/name";
/// The well-known label for what an object belongs to; on everything that `install` applies.
pub const PART_OF: &str = "app.kubernetes.io/part-of";

/// The value of labels and annotations that are flags.
pub const TRUE: &str = "true";

/// Keys of an account's data.
pub mod data {
    /// What the user may have.
    pub const QUOTA: &str = "quota";
    /// Further rules for the user.
    pub const POLICY: &str = "policy";
    /// The uid of the ConfigMap whose Namespaces have been looked up.
    pub const SETTLED: &str = "settled";
    /// What the user wants, by cluster.
    pub const WANT: &str = "want.";
    /// What is held for the user, by cluster.
    pub const HELD: &str = "held.";
    /// The wish to delete a cluster.
    pub const DELETE: &str = "delete.";
    /// Why a want was taken back.
    pub const REFUSED: &str = "refused.";
    /// What a schedule did last, by cluster.
    pub const SCHEDULED: &str = "scheduled.";
    /// Why cmp-webhook cannot go on, by cluster.
    pub const BLOCKED: &str = "blocked.";
    /// All that an account says of a cluster.
    pub const OF_A_CLUSTER: [&str; 6] = [WANT, HELD, DELETE, REFUSED, SCHEDULED, BLOCKED];
    /// The format of the account; format 1 is not named.
    pub const FORMAT: &str = crate::format::FIELD;
    /// In a ConfigMap that is a template: what it is.
    pub const TEMPLATE: &str = "template";
}

/// The name of the ResourceQuota, LimitRange and NetworkPolicy in a cluster's Namespace.
pub const FENCE_NAME: &str = "cmp";
/// The name of the RoleBinding in a cluster's Namespace.
pub const BINDING_NAME: &str = "cmp-user";

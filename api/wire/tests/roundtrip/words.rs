//! Any value of the words that cross the wire.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use skep_api::*;

fn text() -> impl Strategy<Value = String> {
    "[a-z0-9._/ äß{}-]{0,12}"
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    vec(text(), 0..3)
}

fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(text(), text(), 0..3)
}

fn id<T>() -> impl Strategy<Value = Id<T>> {
    any::<u128>().prop_map(Id::from_u128)
}

fn time() -> impl Strategy<Value = Time> {
    any::<u64>().prop_map(Time::from_nanos)
}

fn duration() -> impl Strategy<Value = Duration> {
    any::<u64>().prop_map(Duration::from_nanos)
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..20)
}

fn secret_bytes() -> impl Strategy<Value = SecretBytes> {
    bytes().prop_map(SecretBytes::new)
}

prop_compose! {
    fn meta()(version: u64, created_at in time(), updated_at in time()) -> Meta {
        Meta { version, created_at, updated_at }
    }
}

pub(crate) fn service_spec() -> impl Strategy<Value = ServiceSpec> {
    let head = (text(), labels(), task_spec(), mode());
    (head, option::of(update_config()), option::of(update_config()), endpoint_spec()).prop_map(
        |((name, labels, task, mode), update, rollback, endpoint)| ServiceSpec {
            name,
            labels,
            task,
            mode,
            update,
            rollback,
            endpoint,
        },
    )
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![
        any::<u64>().prop_map(|replicas| Mode::Replicated { replicas }),
        Just(Mode::Global),
        any::<(u64, u64)>().prop_map(|(max_concurrent, total_completions)| {
            Mode::ReplicatedJob { max_concurrent, total_completions }
        }),
        Just(Mode::GlobalJob),
    ]
}

prop_compose! {
    fn task_spec()(
        component in component(),
        limits in resources(),
        reservations in resources(),
        restart in restart_policy(),
        placement in placement(),
        networks in vec(network_attachment(), 0..2),
        log_driver in option::of((text(), labels())),
        force_update: u64,
    ) -> TaskSpec {
        let log_driver = log_driver.map(|(name, options)| LogDriver { name, options });
        TaskSpec {
            component, limits, reservations, restart, placement, networks, log_driver, force_update,
        }
    }
}

prop_compose! {
    fn resources()(
        cpus: u64, memory: u64, pids: u64, generic in btree_map(text(), any::<u64>(), 0..2),
    ) -> Resources {
        Resources { cpus: NanoCpus(cpus), memory: Bytes(memory), pids, generic }
    }
}

prop_compose! {
    fn restart_policy()(
        condition in select(vec![
            RestartCondition::None, RestartCondition::OnFailure, RestartCondition::Any,
        ]),
        delay in duration(),
        max_attempts: u64,
        window in duration(),
    ) -> RestartPolicy {
        RestartPolicy { condition, delay, max_attempts, window }
    }
}

prop_compose! {
    fn placement()(constraints in texts(), spread in texts(), max_replicas: u64) -> Placement {
        let preferences = spread.into_iter().map(Preference::Spread).collect();
        Placement { constraints, preferences, max_replicas }
    }
}

prop_compose! {
    fn network_attachment()(target in text(), aliases in texts()) -> NetworkAttachment {
        NetworkAttachment { target, aliases }
    }
}

prop_compose! {
    fn update_config()(
        parallelism: u64,
        delay in duration(),
        failure_action in select(vec![
            UpdateFailureAction::Pause, UpdateFailureAction::Continue, UpdateFailureAction::Rollback,
        ]),
        monitor in duration(),
        max_failure_ratio in 0.0_f32..=1.0,
        order in option::of(select(vec![UpdateOrder::StopFirst, UpdateOrder::StartFirst])),
    ) -> UpdateConfig {
        UpdateConfig { parallelism, delay, failure_action, monitor, max_failure_ratio, order }
    }
}

prop_compose! {
    fn endpoint_spec()(
        mode in select(vec![EndpointMode::Vip, EndpointMode::DnsRoundRobin]),
        ports in vec(port(), 0..3),
    ) -> EndpointSpec {
        EndpointSpec { mode, ports }
    }
}

fn protocol() -> impl Strategy<Value = Protocol> {
    select(vec![Protocol::Tcp, Protocol::Udp])
}

prop_compose! {
    fn port()(
        name in text(),
        protocol in protocol(),
        target: u16,
        published: u16,
        mode in select(vec![PublishMode::Ingress, PublishMode::Host]),
    ) -> PortConfig {
        PortConfig { name, protocol, target, published, mode }
    }
}

prop_compose! {
    fn component()(
        (image, dir, hostname) in (text(), text(), text()),
        (command, args, env) in (texts(), texts(), texts()),
        labels in labels(),
        mounts in vec(mount(), 0..3),
        secrets in vec((id(), text(), file_target()), 0..2),
        configs in vec((id(), text(), file_target()), 0..2),
        read_only: bool,
        stop_grace_period in option::of(duration()),
        healthcheck in option::of(healthcheck()),
        registry_auth in option::of(secret_bytes()),
    ) -> ComponentSpec {
        let secrets = secrets.into_iter().map(|(id, name, target)| SecretRef { id, name, target });
        let configs = configs.into_iter().map(|(id, name, target)| ConfigRef { id, name, target });
        let (secrets, configs) = (secrets.collect(), configs.collect());
        ComponentSpec {
            image, command, args, env, dir, hostname, labels, mounts, secrets, configs, read_only,
            stop_grace_period, healthcheck, registry_auth,
        }
    }
}

prop_compose! {
    fn mount()(
        kind in prop_oneof![
            (option::of(text()), labels())
                .prop_map(|(source, labels)| MountKind::Volume { source, labels }),
            text().prop_map(|source| MountKind::Bind { source }),
            option::of(any::<u64>().prop_map(Bytes)).prop_map(|size| MountKind::Tmpfs { size }),
        ],
        target in text(),
        read_only: bool,
    ) -> Mount {
        Mount { kind, target, read_only }
    }
}

prop_compose! {
    fn file_target()(name in text(), uid in text(), gid in text(), mode: u32) -> FileTarget {
        FileTarget { name, uid, gid, mode }
    }
}

prop_compose! {
    fn healthcheck()(
        test in texts(),
        (interval, timeout) in (duration(), duration()),
        retries: u32,
        (start_period, start_interval) in (duration(), duration()),
    ) -> Healthcheck {
        Healthcheck { test, interval, timeout, retries, start_period, start_interval }
    }
}

prop_compose! {
    pub(crate) fn service()(
        id in id(),
        meta in meta(),
        spec in service_spec(),
        spec_version: u64,
        previous in option::of(service_spec()),
        endpoint in endpoint(),
        update_status in option::of(update_status()),
        history in vec(revision(), 0..2),
        job in option::of((any::<u64>(), time())),
        workload in option::of((workload_kind(), text())),
    ) -> Service {
        let (spec, previous) = (Arc::new(spec), previous.map(Arc::new));
        let spec_version = SpecVersion(spec_version);
        let job = job.map(|(iteration, last_execution)| JobStatus { iteration, last_execution });
        let workload = workload.map(|(kind, platform)| Workload { kind, platform });
        Service {
            id, meta, spec, spec_version, previous, history, job, workload, endpoint, update_status,
        }
    }
}

prop_compose! {
    fn revision()(version: u64, spec in service_spec(), until in time()) -> Revision {
        Revision { version: SpecVersion(version), spec: Arc::new(spec), until }
    }
}

fn workload_kind() -> impl Strategy<Value = WorkloadKind> {
    select(vec![WorkloadKind::Command, WorkloadKind::Http])
}

fn generics() -> impl Strategy<Value = BTreeMap<String, Generic>> {
    let generic = prop_oneof![
        any::<u64>().prop_map(Generic::Count),
        texts().prop_map(|names| Generic::Names(names.into_iter().collect())),
    ];
    btree_map(text(), generic, 0..3)
}

prop_compose! {
    fn endpoint()(
        spec in endpoint_spec(),
        ports in vec(port(), 0..3),
        vips in vec((id(), any::<IpAddr>()), 0..3),
    ) -> Endpoint {
        let virtual_ips =
            vips.into_iter().map(|(network, addr)| VirtualIp { network, addr }).collect();
        Endpoint { spec, ports, virtual_ips }
    }
}

prop_compose! {
    fn update_status()(
        state in select(vec![
            UpdateState::Updating, UpdateState::Paused, UpdateState::Completed,
            UpdateState::RollbackStarted, UpdateState::RollbackPaused,
            UpdateState::RollbackCompleted,
        ]),
        started_at in time(),
        completed_at in option::of(time()),
        message in text(),
        slots: u64,
    ) -> UpdateStatus {
        UpdateStatus { state, started_at, completed_at, message, slots }
    }
}

fn task_state() -> impl Strategy<Value = TaskState> {
    select(TaskState::ALL.to_vec())
}

prop_compose! {
    pub(crate) fn task()(
        (id, service, node) in (id(), id(), option::of(id())),
        meta in meta(),
        slot in prop_oneof![
            any::<u64>().prop_map(Slot::Number), id().prop_map(Slot::Node),
        ],
        spec_version: u64,
        ports in vec(port(), 0..3),
        addresses in vec((id(), any::<IpAddr>()), 0..3),
        desired in task_state(),
        status in task_status(),
        start_after in option::of(time()),
        origin in select(vec![
            Origin::Fill, Origin::Update, Origin::Restart, Origin::Move,
        ]),
        job_iteration: u64,
        generic in generics(),
    ) -> Task {
        let spec_version = SpecVersion(spec_version);
        let addresses =
            addresses.into_iter().map(|(network, addr)| TaskAddress { network, addr }).collect();
        Task {
            id, meta, service, slot, node, spec_version, ports, addresses, desired, status,
            start_after, origin, job_iteration, generic,
        }
    }
}

prop_compose! {
    fn task_status()(
        state in task_state(),
        at in time(),
        (message, err) in (text(), text()),
        exit in option::of(any::<i32>().prop_map(|code| ExitInfo { code })),
        (restarts, failures) in any::<(u64, u64)>(),
        started_at in option::of(time()),
    ) -> TaskStatus {
        let message = message.into();
        TaskStatus { state, at, message, err, exit, restarts, failures, started_at }
    }
}

prop_compose! {
    pub(crate) fn report()(task in id(), status in task_status(), seen_at in time()) -> TaskReport {
        TaskReport { task, status, seen_at }
    }
}

prop_compose! {
    pub(crate) fn assignments()(
        kind in select(vec![AssignmentsKind::Complete, AssignmentsKind::Incremental]),
        set in vec(item(), 0..4),
        remove in vec(item().prop_map(|item| item.key()), 0..4),
    ) -> Assignments {
        Assignments { kind, set, remove }
    }
}

fn item() -> impl Strategy<Value = AssignmentItem> {
    prop_oneof![
        assignment().prop_map(|task| AssignmentItem::Task(Box::new(task))),
        (id(), secret_bytes()).prop_map(|(id, data)| AssignmentItem::Secret(id, data)),
        (id(), bytes()).prop_map(|(id, data)| AssignmentItem::Config(id, Arc::new(data))),
        (id(), vec(named_service(), 0..3)).prop_map(|(network, services)| {
            AssignmentItem::Names(NameTable { network, services })
        }),
        port_route().prop_map(AssignmentItem::Port),
    ]
}

prop_compose! {
    fn assignment()(
        (task, service, name) in (id(), id(), text()),
        desired in task_state(),
        status in task_status(),
        grant in grant(),
        ports in vec(port(), 0..2),
        registry_auth in option::of(secret_bytes()),
        restart in option::of(restart_policy()),
    ) -> Assignment {
        Assignment { task, service, name, desired, status, grant, ports, registry_auth, restart }
    }
}

prop_compose! {
    fn grant()(
        (image, cwd, args) in (text(), text(), texts()),
        env in vec((text(), text()), 0..3),
        files in vec(file_grant(), 0..3),
        dirs in vec(dir_grant(), 0..3),
        networks in vec(network_grant(), 0..3),
        (memory, cpus, handles, sockets) in any::<(u64, u64, u32, u32)>(),
        stop_grace in duration(),
    ) -> Grant {
        let limits = Limits { memory: Bytes(memory), cpus: NanoCpus(cpus), handles, sockets };
        Grant { image, args, env, cwd, files, dirs, networks, limits, stop_grace }
    }
}

prop_compose! {
    fn file_grant()(
        path in text(),
        mode: u32,
        source in prop_oneof![
            id().prop_map(FileSource::Config),
            id().prop_map(FileSource::Secret),
        ],
    ) -> FileGrant {
        FileGrant { path, mode, source }
    }
}

prop_compose! {
    fn dir_grant()(
        path in text(),
        source in prop_oneof![
            text().prop_map(DirSource::Volume),
            Just(DirSource::Anonymous),
            any::<u64>().prop_map(|size| DirSource::Memory(Bytes(size))),
            text().prop_map(DirSource::Host),
        ],
        read_only: bool,
    ) -> DirGrant {
        DirGrant { path, source, read_only }
    }
}

prop_compose! {
    fn network_grant()(
        id in id(), name in text(), addr: IpAddr, internal: bool,
    ) -> NetworkGrant {
        NetworkGrant { id, name, addr, internal }
    }
}

prop_compose! {
    fn named_service()(
        service in id(),
        names in texts(),
        vip in option::of(any::<IpAddr>()),
        tasks in vec((id(), id(), any::<IpAddr>(), text()), 0..3),
    ) -> NamedService {
        let tasks = tasks.into_iter();
        let tasks = tasks.map(|(task, node, addr, name)| NamedTask { task, node, addr, name });
        NamedService { service, names, vip, tasks: tasks.collect() }
    }
}

prop_compose! {
    fn port_route()(
        (published, target) in any::<(u16, u16)>(),
        protocol in protocol(),
        service in id(),
        tasks in vec((id(), id()), 0..3),
    ) -> PortRoute {
        let tasks = tasks.into_iter().map(|(task, node)| RoutedTask { task, node }).collect();
        PortRoute { published, protocol, target, service, tasks }
    }
}

prop_compose! {
    pub(crate) fn node()(
        id in id(),
        meta in meta(),
        spec in node_spec(),
        description in node_description(),
        status in node_status(),
        manager_addr in option::of(text()),
    ) -> Node {
        Node { id, meta, spec, description, status, manager_addr }
    }
}

prop_compose! {
    fn node_spec()(
        labels in labels(),
        role in select(vec![NodeRole::Worker, NodeRole::Manager]),
        availability in select(vec![
            Availability::Active, Availability::Pause, Availability::Drain,
        ]),
    ) -> NodeSpec {
        NodeSpec { labels, role, availability }
    }
}

prop_compose! {
    fn node_description()(
        (hostname, os, arch, engine_version) in (text(), text(), text(), text()),
        (cpus, memory, lowest_port) in any::<(u64, u64, u16)>(),
        engine_labels in labels(),
        generic in generics(),
        platforms in texts(),
        compiled in vec(any::<[u8; 32]>(), 0..3),
    ) -> NodeDescription {
        let platforms = platforms.into_iter().collect();
        let compiled = compiled.into_iter().map(Digest).collect();
        let (cpus, memory) = (NanoCpus(cpus), Bytes(memory));
        NodeDescription {
            hostname, os, arch, cpus, memory, engine_version, engine_labels, lowest_port, generic,
            platforms, compiled,
        }
    }
}

prop_compose! {
    fn node_status()(
        state in select(vec![
            NodeState::Unknown, NodeState::Down, NodeState::Ready, NodeState::Disconnected,
        ]),
        message in text(),
        addr in text(),
        since in time(),
        spec_version: u64,
    ) -> NodeStatus {
        NodeStatus { state, message, addr, since, spec_version: SpecVersion(spec_version) }
    }
}

prop_compose! {
    pub(crate) fn cluster()(
        id in id(),
        meta in meta(),
        (task_history_limit, snapshot_interval, subnet_size) in any::<(i64, u64, u8)>(),
        (heartbeat_period, node_cert_expiry) in (duration(), duration()),
        default_addr_pool in text(),
        compat in select(vec![Compat::Skep, Compat::Swarm]),
    ) -> Cluster {
        let spec = ClusterSpec {
            task_history_limit, snapshot_interval, heartbeat_period, node_cert_expiry,
            default_addr_pool, subnet_size, compat,
        };
        Cluster { id, meta, spec }
    }
}

prop_compose! {
    pub(crate) fn network()(
        id in id(),
        meta in meta(),
        (name, driver, subnet) in (text(), text(), text()),
        (labels, options) in (labels(), labels()),
        (internal, attachable) in any::<(bool, bool)>(),
    ) -> Network {
        let spec = NetworkSpec { name, labels, driver, options, internal, attachable };
        Network { id, meta, spec, subnet }
    }
}

prop_compose! {
    pub(crate) fn secret()(
        id in id(), meta in meta(), name in text(), labels in labels(), data in secret_bytes(),
    ) -> Secret {
        Secret { id, meta, spec: SecretSpec { name, labels, data } }
    }
}

prop_compose! {
    pub(crate) fn config()(
        id in id(), meta in meta(), name in text(), labels in labels(), data in bytes(),
    ) -> Config {
        Config { id, meta, spec: ConfigSpec { name, labels, data: Arc::new(data) } }
    }
}

prop_compose! {
    pub(crate) fn image()(
        (tags, imports, exports) in (texts(), texts(), texts()),
        (digest, component) in any::<([u8; 32], [u8; 32])>(),
        (size, created_secs) in any::<(u64, u64)>(),
        kind in select(vec![WorkloadKind::Command, WorkloadKind::Http]),
    ) -> ImageInfo {
        let (digest, component, size) = (Digest(digest), Digest(component), Bytes(size));
        ImageInfo { tags, digest, component, size, kind, imports, exports, created_secs }
    }
}

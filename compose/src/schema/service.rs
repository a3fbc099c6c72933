//! What a service may say.

use super::{
    ANY_OBJECT, BOOLEAN, COMMAND, DURATION, Field, INTEGER, Items, LIST_OR_DICT, NULLABLE_OBJECT,
    NUMBER, OPTIONS, Object, Other, Rule, STRING, STRING_NUMBER_OR_NULL, STRING_OR_LIST,
    STRING_OR_NUMBER, STRINGS, Schema, Type, UNIQUE_STRINGS, field, open, since, strict,
};

/// A service.
pub(crate) static SERVICE: Object = Object {
    types: ANY_OBJECT,
    fields: SERVICE_FIELDS,
    required: &[],
    other: Other::Extensions(7),
};

const SERVICE_FIELDS: &[Field] = &[
    field("deploy", Schema::Object(&DEPLOY)),
    field("build", SHORT_OR_LONG_BUILD),
    field("cap_add", UNIQUE_STRINGS),
    field("cap_drop", UNIQUE_STRINGS),
    since(9, "cgroupns_mode", STRING),
    field("cgroup_parent", STRING),
    field("command", COMMAND),
    since(3, "configs", FILE_REFERENCES),
    field("container_name", STRING),
    since(3, "credential_spec", Schema::Object(&CREDENTIAL_SPEC)),
    field("depends_on", UNIQUE_STRINGS),
    field("devices", UNIQUE_STRINGS),
    field("dns", STRING_OR_LIST),
    field("dns_search", STRING_OR_LIST),
    field("domainname", STRING),
    field("entrypoint", COMMAND),
    field("env_file", STRING_OR_LIST),
    field("environment", LIST_OR_DICT),
    field("expose", EXPOSED_PORTS),
    field("external_links", UNIQUE_STRINGS),
    field("extra_hosts", LIST_OR_DICT),
    field("healthcheck", Schema::Object(&HEALTHCHECK)),
    field("hostname", STRING),
    field("image", STRING),
    since(7, "init", BOOLEAN),
    field("ipc", STRING),
    since(5, "isolation", STRING),
    field("labels", LIST_OR_DICT),
    field("links", UNIQUE_STRINGS),
    field("logging", Schema::Object(&LOGGING)),
    field("mac_address", STRING),
    field("network_mode", STRING),
    field("networks", SERVICE_NETWORK_LIST),
    since(13, "oom_score_adj", INTEGER),
    field("pid", Schema::Scalar(&[Type::String, Type::Null], Rule::None)),
    field("ports", Schema::List { item: &PORT, items: Items::Unique }),
    field("privileged", BOOLEAN),
    field("read_only", BOOLEAN),
    field("restart", STRING),
    since(1, "secrets", FILE_REFERENCES),
    field("security_opt", UNIQUE_STRINGS),
    field("shm_size", Schema::Scalar(&[Type::Number, Type::String], Rule::None)),
    field("stdin_open", BOOLEAN),
    field("stop_grace_period", DURATION),
    field("stop_signal", STRING),
    field("sysctls", LIST_OR_DICT),
    field("tmpfs", STRING_OR_LIST),
    field("tty", BOOLEAN),
    field("ulimits", Schema::Object(&ULIMITS)),
    field("user", STRING),
    field("userns_mode", STRING),
    field("volumes", Schema::List { item: &VOLUME_MOUNT, items: Items::Any }),
    field("working_dir", STRING),
];

const EXPOSED_PORTS: Schema = Schema::List { item: &STRING_OR_NUMBER, items: Items::Unique };

const SHORT_OR_LONG_BUILD: Schema = Schema::OneOf(&[STRING, Schema::Object(&BUILD)]);

static BUILD: Object = Object {
    types: ANY_OBJECT,
    fields: &[
        field("context", STRING),
        field("dockerfile", STRING),
        field("args", LIST_OR_DICT),
        since(2, "cache_from", UNIQUE_STRINGS),
        since(3, "labels", LIST_OR_DICT),
        since(4, "network", STRING),
        since(4, "target", STRING),
        since(5, "shm_size", Schema::Scalar(&[Type::Integer, Type::String], Rule::None)),
        since(9, "extra_hosts", LIST_OR_DICT),
    ],
    required: &[],
    other: Other::AllowedSince(11),
};

/// A service's secrets or configs.
const FILE_REFERENCES: Schema = Schema::List {
    item: &Schema::OneOf(&[STRING, Schema::Object(&FILE_REFERENCE)]),
    items: Items::Any,
};

static FILE_REFERENCE: Object = open(&[
    field("source", STRING),
    field("target", STRING),
    field("uid", STRING),
    field("gid", STRING),
    field("mode", NUMBER),
]);

static CREDENTIAL_SPEC: Object =
    strict(&[since(8, "config", STRING), field("file", STRING), field("registry", STRING)]);

static LOGGING: Object = strict(&[
    field("driver", STRING),
    field(
        "options",
        Schema::Object(&Object {
            types: ANY_OBJECT,
            fields: &[],
            required: &[],
            other: Other::Each(&STRING_NUMBER_OR_NULL),
        }),
    ),
]);

const SERVICE_NETWORK_LIST: Schema =
    Schema::OneOf(&[UNIQUE_STRINGS, Schema::Object(&SERVICE_NETWORKS)]);

static SERVICE_NETWORKS: Object = Object {
    types: ANY_OBJECT,
    fields: &[],
    required: &[],
    other: Other::Named(&Schema::OneOf(&[
        Schema::Object(&SERVICE_NETWORK),
        Schema::Scalar(&[Type::Null], Rule::None),
    ])),
};

static SERVICE_NETWORK: Object = strict(&[
    field("aliases", UNIQUE_STRINGS),
    since(13, "driver_opts", OPTIONS),
    field("ipv4_address", STRING),
    field("ipv6_address", STRING),
]);

static PORT: Schema = Schema::OneOf(&[
    Schema::Scalar(&[Type::Number], Rule::Ports),
    Schema::Scalar(&[Type::String], Rule::Ports),
    Schema::Object(&LONG_PORT),
]);

static LONG_PORT: Object = strict(&[
    since(2, "mode", STRING),
    since(2, "target", INTEGER),
    since(2, "published", INTEGER),
    since(2, "protocol", STRING),
]);

static ULIMITS: Object = Object {
    types: ANY_OBJECT,
    fields: &[],
    required: &[],
    other: Other::Lowercase(&Schema::OneOf(&[INTEGER, Schema::Object(&ULIMIT)])),
};

static ULIMIT: Object = Object {
    types: ANY_OBJECT,
    fields: &[field("hard", INTEGER), field("soft", INTEGER)],
    required: &["soft", "hard"],
    other: Other::Refused,
};

static VOLUME_MOUNT: Schema = Schema::OneOf(&[STRING, Schema::Object(&LONG_VOLUME)]);

static LONG_VOLUME: Object = Object {
    types: ANY_OBJECT,
    fields: &[
        since(2, "type", STRING),
        since(2, "source", STRING),
        since(2, "target", STRING),
        since(2, "read_only", BOOLEAN),
        since(2, "consistency", STRING),
        since(2, "bind", Schema::Object(&open(&[field("propagation", STRING)]))),
        since(2, "volume", Schema::Object(&open(&[field("nocopy", BOOLEAN)]))),
        since(
            6,
            "tmpfs",
            Schema::Object(&open(&[field(
                "size",
                Schema::Scalar(&[Type::Integer], Rule::NotNegative),
            )])),
        ),
    ],
    required: &["type"],
    other: Other::Refused,
};

static HEALTHCHECK: Object = strict(&[
    field("disable", BOOLEAN),
    field("interval", DURATION),
    field("retries", NUMBER),
    field("test", COMMAND),
    field("timeout", DURATION),
    since(4, "start_period", DURATION),
    since(12, "start_interval", DURATION),
]);

static DEPLOY: Object = Object {
    types: NULLABLE_OBJECT,
    fields: &[
        field("mode", STRING),
        since(2, "endpoint_mode", STRING),
        field("replicas", INTEGER),
        field("labels", LIST_OR_DICT),
        since(7, "rollback_config", Schema::Object(&UPDATE_CONFIG)),
        field("update_config", Schema::Object(&UPDATE_CONFIG)),
        field("resources", Schema::Object(&RESOURCES)),
        field("restart_policy", Schema::Object(&RESTART_POLICY)),
        field("placement", Schema::Object(&PLACEMENT)),
    ],
    required: &[],
    other: Other::Refused,
};

static UPDATE_CONFIG: Object = strict(&[
    field("parallelism", INTEGER),
    field("delay", DURATION),
    field("failure_action", STRING),
    field("monitor", DURATION),
    field("max_failure_ratio", NUMBER),
    since(4, "order", Schema::Scalar(&[Type::String], Rule::Among(&["start-first", "stop-first"]))),
]);

static RESOURCES: Object = strict(&[
    field(
        "limits",
        Schema::Object(&strict(&[
            field("cpus", STRING),
            field("memory", STRING),
            since(9, "pids", INTEGER),
        ])),
    ),
    field(
        "reservations",
        Schema::Object(&strict(&[
            field("cpus", STRING),
            field("memory", STRING),
            since(5, "generic_resources", GENERIC_RESOURCES),
        ])),
    ),
]);

const GENERIC_RESOURCES: Schema = Schema::List {
    item: &Schema::Object(&strict(&[field(
        "discrete_resource_spec",
        Schema::Object(&strict(&[field("kind", STRING), field("value", NUMBER)])),
    )])),
    items: Items::Any,
};

static RESTART_POLICY: Object = strict(&[
    field("condition", STRING),
    field("delay", DURATION),
    field("max_attempts", INTEGER),
    field("window", DURATION),
]);

static PLACEMENT: Object = strict(&[
    field("constraints", STRINGS),
    since(
        3,
        "preferences",
        Schema::List {
            item: &Schema::Object(&strict(&[field("spread", STRING)])),
            items: Items::Any,
        },
    ),
    since(8, "max_replicas_per_node", INTEGER),
]);

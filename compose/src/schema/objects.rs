//! What a file's top level, and its networks, volumes, secrets and configs may say.

use super::{
    ANY_OBJECT, BOOLEAN, Items, LIST_OR_DICT, NULLABLE_OBJECT, OPTIONS, Object, Other, SERVICE,
    STRING, STRINGS, Schema, Type, field, open, since, strict,
};

/// A whole file.
pub(crate) static ROOT: Object = Object {
    types: ANY_OBJECT,
    fields: &[
        field("version", STRING),
        field("services", Schema::Object(&named(&Schema::Object(&SERVICE)))),
        field(
            "networks",
            Schema::Object(&Object {
                types: ANY_OBJECT,
                fields: &[],
                required: &[],
                other: Other::NamedLoosely(&Schema::Object(&NETWORK)),
            }),
        ),
        field("volumes", Schema::Object(&named(&Schema::Object(&VOLUME)))),
        since(1, "secrets", Schema::Object(&named(&Schema::Object(&SECRET)))),
        since(3, "configs", Schema::Object(&named(&Schema::Object(&CONFIG)))),
    ],
    required: &[],
    other: Other::Extensions(4),
};

const fn named(item: &'static Schema) -> Object {
    Object { types: ANY_OBJECT, fields: &[], required: &[], other: Other::Named(item) }
}

/// A network.
static NETWORK: Object = Object {
    types: NULLABLE_OBJECT,
    fields: &[
        since(5, "name", STRING),
        field("driver", STRING),
        field("driver_opts", OPTIONS),
        field(
            "ipam",
            Schema::Object(&strict(&[
                field("driver", STRING),
                field(
                    "config",
                    Schema::List {
                        item: &Schema::Object(&strict(&[field("subnet", STRING)])),
                        items: Items::Any,
                    },
                ),
            ])),
        ),
        field("external", Schema::Object(&STRICT_EXTERNAL)),
        field("internal", BOOLEAN),
        since(2, "attachable", BOOLEAN),
        field("labels", LIST_OR_DICT),
    ],
    required: &[],
    other: Other::Extensions(7),
};

/// A volume.
static VOLUME: Object = Object {
    types: NULLABLE_OBJECT,
    fields: &[
        since(4, "name", STRING),
        field("driver", STRING),
        field("driver_opts", OPTIONS),
        field("external", Schema::Object(&STRICT_EXTERNAL)),
        field("labels", LIST_OR_DICT),
        since(10, "x-cluster-spec", Schema::Object(&CLUSTER_SPEC)),
    ],
    required: &[],
    other: Other::Extensions(7),
};

/// A secret.
static SECRET: Object = Object {
    types: ANY_OBJECT,
    fields: &[
        since(5, "name", STRING),
        field("file", STRING),
        field("external", Schema::Object(&LOOSE_EXTERNAL)),
        field("labels", LIST_OR_DICT),
        since(8, "driver", STRING),
        since(8, "driver_opts", OPTIONS),
        since(8, "template_driver", STRING),
    ],
    required: &[],
    other: Other::Extensions(7),
};

/// A config.
static CONFIG: Object = Object {
    types: ANY_OBJECT,
    fields: &[
        since(5, "name", STRING),
        field("file", STRING),
        field("external", Schema::Object(&LOOSE_EXTERNAL)),
        field("labels", LIST_OR_DICT),
        since(8, "template_driver", STRING),
    ],
    required: &[],
    other: Other::Extensions(7),
};

/// `external: true` or, deprecated, `external: {name: x}`.
static STRICT_EXTERNAL: Object = Object {
    types: &[Type::Boolean, Type::Object],
    fields: &[field("name", STRING)],
    required: &[],
    other: Other::Refused,
};

static LOOSE_EXTERNAL: Object = Object {
    types: &[Type::Boolean, Type::Object],
    fields: &[field("name", STRING)],
    required: &[],
    other: Other::Allowed,
};

/// What a cluster volume asks of its driver.
static CLUSTER_SPEC: Object = open(&[
    field("group", STRING),
    field(
        "access_mode",
        Schema::Object(&open(&[
            field("scope", STRING),
            field("sharing", STRING),
            field("block_volume", Schema::Object(&open(&[]))),
            field(
                "mount_volume",
                Schema::Object(&open(&[field("fs_type", STRING), field("mount_flags", STRINGS)])),
            ),
        ])),
    ),
    field(
        "accessibility_requirements",
        Schema::Object(&open(&[field("requisite", TOPOLOGIES), field("preferred", TOPOLOGIES)])),
    ),
    field(
        "capacity_range",
        Schema::Object(&open(&[field("required_bytes", STRING), field("limit_bytes", STRING)])),
    ),
    field("availability", STRING),
]);

const TOPOLOGIES: Schema = Schema::List {
    item: &Schema::Object(&open(&[field("segments", LIST_OR_DICT)])),
    items: Items::Any,
};

//! The rules of a compose file's shape, as data, and what walks them.
//!
//! The tables in `service` and `objects` say the same as Docker's fourteen JSON schemas 3.0 to 3.13;
//! they are one because a key stays what it was once it is there: [`Field::since`] says from which
//! minor version on. `validate` reports as the validator Docker uses does, so that the error a user
//! reads is the same one, out of the several that one mistake may cause.

mod objects;
mod service;
mod suggest;
mod validate;

pub(crate) use objects::ROOT;
pub(crate) use service::SERVICE;
pub(crate) use validate::validate;

/// The newest minor version of format 3, and the one a file without `version` has.
pub(crate) const NEWEST: u8 = 13;

/// What a value may be.
#[derive(Debug)]
pub(crate) enum Schema {
    /// A value of one of the types that keeps a rule.
    Scalar(&'static [Type], Rule),
    /// A list.
    List { item: &'static Schema, items: Items },
    /// A mapping, or what else the object allows.
    Object(&'static Object),
    /// Exactly one of these.
    OneOf(&'static [Schema]),
}

/// Whether a list may hold the same item twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Items {
    Any,
    Unique,
}

/// A type as JSON has it; an integer is a number without a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    String,
    Number,
    Integer,
    Boolean,
    Null,
    Object,
    Array,
}

impl Type {
    /// The word in errors.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Null => "null",
            Self::Object => "mapping",
            Self::Array => "list",
        }
    }
}

/// What a scalar must keep besides its type.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rule {
    None,
    /// Go's duration, `1m30s`.
    Duration,
    /// A port mapping, `8080:80`.
    Ports,
    /// One of these texts.
    Among(&'static [&'static str]),
    /// Not below zero.
    NotNegative,
}

/// A mapping with known keys.
#[derive(Debug)]
pub(crate) struct Object {
    /// What else than a mapping it may be; `Type::Object` is always among them.
    pub(crate) types: &'static [Type],
    pub(crate) fields: &'static [Field],
    /// Keys that must be there.
    pub(crate) required: &'static [&'static str],
    pub(crate) other: Other,
}

/// A known key.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    /// The minor version of format 3 that brought it.
    pub(crate) since: u8,
    pub(crate) schema: Schema,
}

/// What keys besides the known ones are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Other {
    /// Refused.
    Refused,
    /// Allowed, whatever they hold.
    Allowed,
    /// Refused before that version, then allowed.
    AllowedSince(u8),
    /// `x-` keys from that version on; others are refused.
    Extensions(u8),
    /// Names of letters, digits, `.`, `_` and `-`, which hold this; others are refused.
    Named(&'static Schema),
    /// The same, but other names are not looked at.
    NamedLoosely(&'static Schema),
    /// Names of small letters, which hold this; others are not looked at.
    Lowercase(&'static Schema),
    /// Any name, which holds this.
    Each(&'static Schema),
}

pub(crate) const ANY_OBJECT: &[Type] = &[Type::Object];
pub(crate) const NULLABLE_OBJECT: &[Type] = &[Type::Object, Type::Null];

pub(crate) const fn field(name: &'static str, schema: Schema) -> Field {
    Field { name, since: 0, schema }
}

pub(crate) const fn since(minor: u8, name: &'static str, schema: Schema) -> Field {
    Field { name, since: minor, schema }
}

/// An object that may be nothing else, has no required keys and refuses unknown ones.
pub(crate) const fn strict(fields: &'static [Field]) -> Object {
    Object { types: ANY_OBJECT, fields, required: &[], other: Other::Refused }
}

/// The same, but unknown keys are allowed.
pub(crate) const fn open(fields: &'static [Field]) -> Object {
    Object { types: ANY_OBJECT, fields, required: &[], other: Other::Allowed }
}

pub(crate) const STRING: Schema = Schema::Scalar(&[Type::String], Rule::None);
pub(crate) const INTEGER: Schema = Schema::Scalar(&[Type::Integer], Rule::None);
pub(crate) const NUMBER: Schema = Schema::Scalar(&[Type::Number], Rule::None);
pub(crate) const BOOLEAN: Schema = Schema::Scalar(&[Type::Boolean], Rule::None);
pub(crate) const DURATION: Schema = Schema::Scalar(&[Type::String], Rule::Duration);
pub(crate) const STRING_OR_NUMBER: Schema =
    Schema::Scalar(&[Type::String, Type::Number], Rule::None);
pub(crate) const STRING_NUMBER_OR_NULL: Schema =
    Schema::Scalar(&[Type::String, Type::Number, Type::Null], Rule::None);
/// A list of texts; the same one may be there twice.
pub(crate) const STRINGS: Schema = Schema::List { item: &STRING, items: Items::Any };
/// A list of texts, each once.
pub(crate) const UNIQUE_STRINGS: Schema = Schema::List { item: &STRING, items: Items::Unique };
/// `a b c` or `[a, b, c]`, of a command.
pub(crate) const COMMAND: Schema = Schema::OneOf(&[STRING, STRINGS]);
pub(crate) const STRING_OR_LIST: Schema = Schema::OneOf(&[STRING, UNIQUE_STRINGS]);
/// `{A: b}` or `[A=b]`.
pub(crate) const LIST_OR_DICT: Schema = Schema::OneOf(&[
    Schema::Object(&Object {
        types: ANY_OBJECT,
        fields: &[],
        required: &[],
        other: Other::Each(&STRING_NUMBER_OR_NULL),
    }),
    UNIQUE_STRINGS,
]);
/// `{A: b, C: 1}`, of a driver's options.
pub(crate) const OPTIONS: Schema = Schema::Object(&Object {
    types: ANY_OBJECT,
    fields: &[],
    required: &[],
    other: Other::Each(&STRING_OR_NUMBER),
});

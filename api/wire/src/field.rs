//! Reading one field: what a peer or a disk sent becomes a value, or an error that names the field.

use std::net::IpAddr;
use std::time::Duration;

use skep_api::Id;

use crate::WireError;

/// A message that must be there.
pub(crate) fn message<P, D>(field: &'static str, value: Option<P>) -> Result<D, WireError>
where
    D: TryFrom<P, Error = WireError>,
{
    value.ok_or(WireError::Missing { field })?.try_into()
}

/// A message that may be there.
pub(crate) fn optional<P, D>(value: Option<P>) -> Result<Option<D>, WireError>
where
    D: TryFrom<P, Error = WireError>,
{
    value.map(D::try_from).transpose()
}

/// Messages in a row; the first bad one is the error.
pub(crate) fn list<P, D>(values: Vec<P>) -> Result<Vec<D>, WireError>
where
    D: TryFrom<P, Error = WireError>,
{
    values.into_iter().map(D::try_from).collect()
}

/// The messages of a slice.
pub(crate) fn all<'a, D, P: From<&'a D>>(values: &'a [D]) -> Vec<P> {
    values.iter().map(P::from).collect()
}

/// An enum's number.
pub(crate) fn known<P, D>(field: &'static str, number: i32) -> Result<D, WireError>
where
    P: TryFrom<i32>,
    D: From<P>,
{
    let unknown = WireError::Unknown { field, number: i64::from(number) };
    P::try_from(number).map(D::from).map_err(|_| unknown)
}

/// An id.
pub(crate) fn id<T>(field: &'static str, text: &str) -> Result<Id<T>, WireError> {
    text.parse().map_err(|error| WireError::malformed(field, format!("{error}")))
}

/// An id, or nothing while only the name is known.
pub(crate) fn id_or_unknown<T>(field: &'static str, text: &str) -> Result<Id<T>, WireError> {
    if text.is_empty() { Ok(Id::from_u128(0)) } else { id(field, text) }
}

/// An id for [`id_or_unknown`].
pub(crate) fn id_if_known<T>(id: Id<T>) -> String {
    if id.as_u128() == 0 { String::new() } else { id.to_string() }
}

/// An address.
pub(crate) fn addr(field: &'static str, text: &str) -> Result<IpAddr, WireError> {
    let shown = || text.chars().take(64).collect::<String>();
    text.parse()
        .map_err(|_| WireError::malformed(field, format!("`{}` is not an IP address", shown())))
}

/// A number that is narrower here than on the wire.
pub(crate) fn narrow<T: TryFrom<u32>>(field: &'static str, number: u32) -> Result<T, WireError> {
    T::try_from(number).map_err(|_| WireError::malformed(field, format!("{number} is too large")))
}

/// A duration in nanoseconds; the wire's longest, 584 years, stands for all longer ones.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Converts an enum both ways. A value that one side lacks does not compile.
macro_rules! same_words {
    ($domain:ty, $wire:ty, { $($here:ident = $there:ident),+ $(,)? }) => {
        impl From<$domain> for $wire {
            fn from(value: $domain) -> Self {
                match value { $(<$domain>::$here => Self::$there),+ }
            }
        }
        impl From<$wire> for $domain {
            fn from(value: $wire) -> Self {
                match value { $(<$wire>::$there => Self::$here),+ }
            }
        }
    };
}
pub(crate) use same_words;

//! Go's JSON habits, as far as Docker's answers show them.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Serialize, Serializer};
use skep_api::Time;

/// Labels and options.
pub(crate) type Map = BTreeMap<String, String>;

/// An answer in JSON, with a newline behind it as Go's encoder writes one.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(mut body) => {
                body.push(b'\n');
                ([(header::CONTENT_TYPE, "application/json")], body).into_response()
            }
            Err(error) => {
                tracing::error!(%error, "an answer could not be written as JSON");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

/// What every object shows behind its id.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Meta {
    version: Version,
    created_at: String,
    updated_at: String,
}

/// A number as Docker writes that of an object's version and of a job's iteration.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Version {
    pub(crate) index: u64,
}

impl From<&skep_api::Meta> for Meta {
    fn from(meta: &skep_api::Meta) -> Self {
        Self {
            version: Version { index: meta.version },
            created_at: moment(meta.created_at),
            updated_at: moment(meta.updated_at),
        }
    }
}

/// A time as RFC3339Nano; "never" is the zero value of Go's `time.Time`.
pub(crate) fn moment(time: Time) -> String {
    if time == Time::ZERO { "0001-01-01T00:00:00Z".to_owned() } else { time.to_string() }
}

/// A duration in nanoseconds, within Go's `int64`.
pub(crate) fn nanos(duration: Duration) -> u64 {
    const INT64_MAX: u64 = i64::MAX as u64;
    u64::try_from(duration.as_nanos()).map_or(INT64_MAX, |nanos| nanos.min(INT64_MAX))
}

/// Go leaves zero out where the field says `omitempty`.
pub(crate) fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A map that is `null` when nobody gave one, which is what Docker shows of networks and volumes.
pub(crate) fn or_null(map: &Map) -> Option<Map> {
    (!map.is_empty()).then(|| map.clone())
}

/// A number as Go writes it: whole ones without a fraction.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
pub(crate) fn ratio<S: Serializer>(value: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    if value.fract() == 0.0 && value.abs() < 1e6 {
        serializer.serialize_i64(*value as i64)
    } else {
        serializer.serialize_f32(*value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Ratio(#[serde(serialize_with = "ratio")] f32);

    #[test]
    fn numbers_and_times_look_like_gos() {
        for (value, text) in [(0.0, "0"), (1.0, "1"), (0.3, "0.3"), (0.25, "0.25")] {
            assert_eq!(serde_json::to_string(&Ratio(value)).expect("JSON"), text);
        }
        assert_eq!(moment(Time::ZERO), "0001-01-01T00:00:00Z");
        let time = Time::from_secs(1_700_000_000).after(Duration::from_micros(2_500));
        assert_eq!(moment(time), "2023-11-14T22:13:20.0025Z");
        assert_eq!(nanos(Duration::MAX), i64::MAX as u64);
    }
}

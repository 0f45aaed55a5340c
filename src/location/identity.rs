//! When a Contact names a device that has a binding already.

use crate::location::Binding;

/// True when both are the same device's same flow: by instance and reg-id where both have an instance (RFC 5626 §6), otherwise by their URIs
/// (RFC 3261 §10.3 step 7).
pub fn is_same_device(a: &Binding<'_>, b: &Binding<'_>) -> bool {
    match (a.instance(), b.instance()) {
        (Some(x), Some(y)) => a.reg_id == b.reg_id && x.eq_ignore_ascii_case(y),
        _ => a.uri() == b.uri(),
    }
}

//! What a valid file allows that its owner may not have meant. Each warning is one sentence that says what to change.

use super::model::{Config, RegistrarMode};
use crate::flow::Zone;

pub(super) fn of(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    let is_public =
        config.listen.iter().any(|listen| listen.zone == Zone::Access && !listen.address.ip().is_loopback());
    if is_public && config.auth.users_file.is_none() && config.registrar.mode == RegistrarMode::Local {
        warnings.push(
            "the registrar is open on an address that is not loopback: whoever reaches it can take any user's calls; \
             listen on a trusted network only"
                .to_owned(),
        );
    }
    if let Some(address) = config.api.address
        && !address.ip().is_loopback()
        && config.api.token.is_none()
    {
        warnings.push(format!("the API on {address} is open to everyone who reaches it: set api.token"));
    }
    let timers = &config.timers;
    if timers.timer_c_s <= 180 {
        let timer_c_s = timers.timer_c_s;
        warnings.push(format!(
            "timers.timer_c_s is {timer_c_s}: RFC 3261 §16.6 wants more than 180 s, calls that ring longer end with 408"
        ));
    }
    let linger_ms = u64::from(timers.linger_s) * 1_000;
    if linger_ms < 64 * u64::from(timers.t1_ms) {
        warnings.push(
            "timers.linger_s is shorter than 64·T1: a retransmission that comes later is taken for a new request".to_owned(),
        );
    }
    warnings
}

//! What a REGISTER does (RFC 3261 §10.3), and what is said back.
//!
//! What enters: a REGISTER whose essential headers were proved, for an AOR that is ours; the table of its owner shard. What leaves: a status, the header lines of the response that are
//! the registrar's own, and events for every change. Nothing is kept here but memory that is used again. Bounded: `CONTACTS_MAX` Contacts of
//! one REGISTER, and the table's own limits.

mod contact;
mod emit;

use crate::flow::{Flow, Zone};
use crate::location::identity::is_same_device;
use crate::location::{Aor, Binding, Change, Event, Refusal, Table};
use crate::sip::header_id::HeaderId;
use crate::sip::message::Message;
use crate::sip::name_addr::NameAddr;
use crate::sip::option_tag;
use crate::time::{Duration, Instant};
use contact::ContactValue;

/// Contacts of one REGISTER; the most that one AOR may have (`[registrar].bindings_per_aor_max`), so more could not be kept anyway.
pub const CONTACTS_MAX: usize = 100;

/// The policy: `[registrar]` and `[nat]` of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Granted where the client asks for nothing; between the two below.
    pub expires_default_s: u32,
    /// 1 to 3600: what is shorter gets 423 (§10.3 step 7 has nothing to say above an hour).
    pub expires_min_s: u32,
    pub expires_max_s: u32,
    /// 0 to 50: each granted expiry is shortened by a random share up to this, never below the minimum.
    pub expires_spread_percent: u32,
    /// A device in zone access that registers without a proxy between is rung where its REGISTER came from.
    pub nat_fix: bool,
    /// Told as Flow-Timer where outbound is used (RFC 5626 §4.4); 0 for never.
    pub ping_s: u32,
    /// Told with a 503.
    pub retry_after_s: u32,
    /// This node, noted in each binding.
    pub node: u16,
}

/// One REGISTER.
#[derive(Clone, Copy, Debug)]
pub struct Register<'a> {
    pub message: &'a Message<'a>,
    /// Of the To URI, with its hash by the node's key.
    pub aor: Aor<'a>,
    pub aor_hash: u64,
    pub call_id: &'a [u8],
    pub cseq: u32,
    /// The Expires header.
    pub expires_s: Option<u32>,
    /// A keyed hash of the topmost branch: equal for retransmissions.
    pub branch_hash: u64,
    pub flow: Flow,
    pub zone: Zone,
    /// The request carries one Via only: no proxy stands between the device and this node.
    pub is_first_hop: bool,
    /// Drawn for this request.
    pub random: u64,
}

/// How the REGISTER is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegisterDecision {
    pub status: u16,
    pub reason: &'static str,
}

/// Decides, with memory that is used again.
#[derive(Debug)]
pub struct Registrar {
    options: Options,
    changes: Vec<Change<'static>>,
    path: Vec<u8>,
    date: emit::DateLine,
}

/// What a REGISTER asks for.
struct Plan<'a> {
    changes: Vec<Change<'a>>,
    /// A Contact is a flow of its own (RFC 5626), kept by this node or by the edge in front of it.
    is_outbound: bool,
}

/// Why a REGISTER changes nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unchanged {
    /// §10.3 step 6: `*` is alone, and goes with `Expires: 0`.
    BadContact,
    BadPath,
    /// RFC 5626 §6: a flow of its own goes with one Contact.
    SeveralWithRegId,
    /// RFC 5626 §6: the edge that holds the flow does not know how to.
    FirstHopLacksOutbound,
    TooBrief,
    TooManyContacts,
    /// §10.3 step 7: not newer than what made the binding.
    OutOfOrder,
    /// Seen before: the answer is given again (design.md §5).
    Retransmission,
    Refused(Refusal),
}

impl Registrar {
    pub fn new(options: Options) -> Self {
        Registrar { options, changes: Vec::new(), path: Vec::new(), date: emit::DateLine::default() }
    }

    pub fn set_options(&mut self, options: Options) {
        self.options = options;
    }

    /// Does what the REGISTER asks for, all of it or nothing, tells `listener` every change, and appends the header lines of the answer that are its own
    /// to `lines`: Contact, Date, Path, Supported, Require, Flow-Timer, Min-Expires, Retry-After.
    pub fn decide_register(
        &mut self,
        now: Instant,
        register: &Register<'_>,
        table: &mut Table,
        lines: &mut Vec<u8>,
        listener: &mut impl FnMut(Event<'_>),
    ) -> RegisterDecision {
        let mut path = core::mem::take(&mut self.path);
        path.clear();
        let mut plan = Plan { changes: core::mem::take(&mut self.changes), is_outbound: false };
        let result = read_path(register.message, &mut path)
            .and_then(|()| self.plan(now, register, &path, table, &mut plan))
            .and_then(|()| match plan.changes.as_slice() {
                [] => Ok(()),
                changes => table
                    .apply(now, register.aor_hash, register.aor, changes, listener)
                    .map_err(Unchanged::Refused),
            });
        if result.is_ok() || result == Err(Unchanged::Retransmission) {
            self.emit_accepted(now, register, table, &path, plan.is_outbound, lines);
        }
        self.changes = without_borrows(plan.changes);
        self.path = path;
        match result {
            Ok(()) => RegisterDecision { status: 200, reason: "OK" },
            Err(unchanged) => self.decide_unchanged(unchanged, lines),
        }
    }

    /// Reads the Contacts into `plan`.
    fn plan<'a>(
        &self,
        now: Instant,
        register: &Register<'a>,
        path: &'a [u8],
        table: &Table,
        plan: &mut Plan<'a>,
    ) -> Result<(), Unchanged> {
        let message = register.message;
        let (mut count, mut kept_count, mut has_star) = (0, 0, false);
        for line in message.all(HeaderId::Contact) {
            let value = message.value(line);
            if value == b"*" {
                has_star = true;
                count += 1;
                continue;
            }
            for address in NameAddr::list(value) {
                count += 1;
                if count > CONTACTS_MAX {
                    return Err(Unchanged::TooManyContacts);
                }
                let address = address.map_err(|_| Unchanged::BadContact)?;
                let mut contact = ContactValue::parse(value, &address).ok_or(Unchanged::BadContact)?;
                if contact.reg_id != 0 && !is_outbound_possible(register, path)? {
                    contact.reg_id = 0;
                }
                let granted_s = self.granted_s(register, contact.expires_s)?;
                kept_count += usize::from(granted_s > 0);
                plan.is_outbound |= contact.reg_id != 0;
                let binding = self.binding(now, register, path, &contact, granted_s);
                self.plan_contact(now, register, table, binding, granted_s > 0, &mut plan.changes)?;
            }
        }
        if has_star {
            if count > 1 || register.expires_s != Some(0) {
                return Err(Unchanged::BadContact);
            }
            plan_star(now, register, table, &mut plan.changes)?;
        }
        if plan.is_outbound && kept_count > 1 {
            return Err(Unchanged::SeveralWithRegId);
        }
        Ok(())
    }

    /// What one Contact changes. Of two Contacts for one device in the same REGISTER the later one counts.
    fn plan_contact<'a>(
        &self,
        now: Instant,
        register: &Register<'a>,
        table: &Table,
        binding: Binding<'a>,
        is_kept: bool,
        changes: &mut Vec<Change<'a>>,
    ) -> Result<(), Unchanged> {
        let mut known = table.bindings(now, register.aor_hash, register.aor);
        let known = known.find(|(_, other)| is_same_device(other, &binding));
        if let Some((_, other)) = &known {
            check_order(register, other)?;
        }
        let id = known.map(|(id, _)| id);
        let earlier = changes.iter().position(|change| match (change, id) {
            (Change::Refresh(other, _) | Change::Remove(other), Some(id)) => *other == id,
            (Change::Add(other), None) => is_same_device(other, &binding),
            _ => false,
        });
        let change = match (id, is_kept) {
            (Some(id), true) => Some(Change::Refresh(id, binding)),
            (Some(id), false) => Some(Change::Remove(id)),
            (None, true) => Some(Change::Add(binding)),
            (None, false) => None,
        };
        match (earlier, change) {
            (Some(at), Some(change)) => changes[at] = change,
            (Some(at), None) => drop(changes.remove(at)),
            (None, change) => changes.extend(change),
        }
        Ok(())
    }

    /// Seconds for one Contact: its parameter before the header, before the default (§10.3 step 7). 0 removes.
    fn granted_s(&self, register: &Register<'_>, param_s: Option<u32>) -> Result<u32, Unchanged> {
        let options = &self.options;
        let asked_s = param_s.or(register.expires_s).unwrap_or(options.expires_default_s);
        if asked_s == 0 {
            return Ok(0);
        }
        if asked_s < options.expires_min_s {
            return Err(Unchanged::TooBrief);
        }
        let granted_s = asked_s.min(options.expires_max_s);
        let share_max = u64::from(granted_s) * u64::from(options.expires_spread_percent) / 100;
        let share = ((register.random >> 32) * (share_max + 1)) >> 32;
        Ok((granted_s - share as u32).max(options.expires_min_s))
    }

    fn binding<'a>(
        &self,
        now: Instant,
        register: &Register<'a>,
        path: &'a [u8],
        contact: &ContactValue<'a>,
        granted_s: u32,
    ) -> Binding<'a> {
        // A flow goes to the device itself only when no proxy stands between. Outbound is used by the flow in either zone (RFC 5626 §6).
        let is_direct = register.is_first_hop && path.is_empty();
        let is_fixed = self.options.nat_fix && register.zone == Zone::Access;
        Binding {
            aor: register.aor,
            contact: contact.bytes,
            uri: contact.uri,
            expires_param: contact.expires_param,
            q: contact.q,
            instance: contact.instance,
            reg_id: contact.reg_id,
            call_id: register.call_id,
            cseq: register.cseq,
            branch_hash: register.branch_hash,
            flow: register.flow,
            rings_by_flow: is_direct && (is_fixed || contact.reg_id != 0),
            path,
            expires: now + Duration::from_secs(u64::from(granted_s)),
            refreshed_s: u32::try_from(now.unix_s()).unwrap_or(u32::MAX),
            node: self.options.node,
        }
    }

    fn emit_accepted(
        &mut self,
        now: Instant,
        register: &Register<'_>,
        table: &Table,
        path: &[u8],
        is_outbound: bool,
        lines: &mut Vec<u8>,
    ) {
        emit::emit_contacts(now, table.bindings(now, register.aor_hash, register.aor), lines);
        self.date.emit(now, lines);
        // RFC 3327 §5.3: the Path is repeated to a client that knows what it is.
        if !path.is_empty() && is_supported(register.message, b"path") {
            emit::emit_path(path, lines);
        }
        if is_outbound {
            emit::emit_outbound(self.options.ping_s, is_supported(register.message, b"outbound"), lines);
        }
    }

    fn decide_unchanged(&self, unchanged: Unchanged, lines: &mut Vec<u8>) -> RegisterDecision {
        let (status, reason) = match unchanged {
            Unchanged::Retransmission => (200, "OK"),
            Unchanged::BadContact => (400, HeaderId::Contact.bad_reason()),
            Unchanged::BadPath => (400, HeaderId::Path.bad_reason()),
            Unchanged::SeveralWithRegId => (400, "Several Contacts With reg-id"),
            Unchanged::FirstHopLacksOutbound => (439, "First Hop Lacks Outbound Support"),
            Unchanged::TooManyContacts | Unchanged::Refused(Refusal::AorFull) => (403, "Too Many Contacts"),
            Unchanged::TooBrief => (423, "Interval Too Brief"),
            Unchanged::OutOfOrder => (500, "CSeq Out Of Order"),
            Unchanged::Refused(Refusal::TableFull) => (503, "Service Unavailable"),
            Unchanged::Refused(Refusal::TooLong) => (513, "Message Too Large"),
        };
        match status {
            423 => emit::emit_number_line(b"Min-Expires: ", self.options.expires_min_s, lines),
            503 => emit::emit_number_line(b"Retry-After: ", self.options.retry_after_s, lines),
            _ => {}
        }
        RegisterDecision { status, reason }
    }
}

/// `*` takes every binding back, if the REGISTER is newer than each of them (§10.3 step 6).
fn plan_star<'a>(
    now: Instant,
    register: &Register<'a>,
    table: &Table,
    changes: &mut Vec<Change<'a>>,
) -> Result<(), Unchanged> {
    for (id, binding) in table.bindings(now, register.aor_hash, register.aor) {
        check_order(register, &binding)?;
        changes.push(Change::Remove(id));
    }
    Ok(())
}

/// §10.3 step 7: within one Call-ID only a higher CSeq changes a binding. The same REGISTER once more is known by its branch.
fn check_order(register: &Register<'_>, binding: &Binding<'_>) -> Result<(), Unchanged> {
    if binding.call_id != register.call_id || register.cseq > binding.cseq {
        return Ok(());
    }
    if register.cseq == binding.cseq && register.branch_hash == binding.branch_hash {
        return Err(Unchanged::Retransmission);
    }
    Err(Unchanged::OutOfOrder)
}

/// RFC 5626 §6: behind an edge proxy the flow is the edge's, and its Path says with `ob` that it keeps one.
fn is_outbound_possible(register: &Register<'_>, path: &[u8]) -> Result<bool, Unchanged> {
    if register.is_first_hop {
        return Ok(true);
    }
    // The edge nearest to the device wrote its value first, so it is the last one.
    let edge = NameAddr::list(path).last().and_then(Result::ok);
    let keeps_flow = edge.is_some_and(|edge| edge.parse_uri().is_ok_and(|uri| uri.has_ob()));
    if !keeps_flow && is_supported(register.message, b"outbound") {
        return Err(Unchanged::FirstHopLacksOutbound);
    }
    Ok(keeps_flow)
}

/// All Path values, joined by commas.
fn read_path(message: &Message<'_>, path: &mut Vec<u8>) -> Result<(), Unchanged> {
    for line in message.all(HeaderId::Path) {
        let value = message.value(line);
        for address in NameAddr::list(value) {
            address.map_err(|_| Unchanged::BadPath)?;
        }
        if !path.is_empty() {
            path.push(b',');
        }
        path.extend_from_slice(value);
    }
    Ok(())
}

fn is_supported(message: &Message<'_>, tag: &[u8]) -> bool {
    message.all(HeaderId::Supported).any(|line| option_tag::has_tag(message.value(line), tag))
}

/// The same vector, empty, free of what it borrowed from one message: its memory serves the next. (An iterator over an empty vector is
/// collected in place.)
fn without_borrows(mut changes: Vec<Change<'_>>) -> Vec<Change<'static>> {
    changes.clear();
    changes.into_iter().map(|_| unreachable!("the vector was cleared")).collect()
}

#[cfg(test)]
mod tests;

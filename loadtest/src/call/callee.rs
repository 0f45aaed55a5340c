//! The called devices' side: 180 and 200, 487 after a CANCEL, and sensible answers to whatever else is asked (RFC 3261 §8.2, §9.2, §13.3).

use tine::flow::Address;
use tine::sip::header_id::HeaderId;
use tine::sip::message::Message;
use tine::sip::method::Method;
use tine::time::{Duration, Instant};

use super::{Call, Calls, DeviceStage, Outcome};
use crate::context::Context;
use crate::names::{Kind, Name};
use crate::reading;
use crate::tally::{Cause, Step};
use crate::texts::{ALLOW, EMPTY_TAIL};
use crate::timers::{self, Owner};
use crate::user::Contact;

/// Where a request came from.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    pub socket: u32,
    pub remote: Address,
}

impl Calls {
    /// A request came.
    pub fn on_request(&mut self, cx: &mut Context, origin: Origin, message: &Message<'_>) {
        let Some(method) = message.method() else { return };
        if method != Method::Ack && !message.is_answerable() {
            cx.tally.malformed += 1;
            return;
        }
        match method {
            Method::Invite => self.on_invite(cx, origin, message),
            Method::Ack => self.on_ack(cx, message),
            Method::Cancel => self.on_cancel(cx, origin, message),
            Method::Bye => self.on_bye(cx, origin, message),
            Method::Options => answer_alone(cx, origin, message, b"200 OK"),
            _ => answer_alone(cx, origin, message, b"405 Method Not Allowed"),
        }
    }

    /// The call and the device that a request is for, by its Call-ID and Request-URI, at the socket where that device lives.
    fn device_called(
        &mut self,
        cx: &Context,
        origin: Origin,
        message: &Message<'_>,
    ) -> Option<(&mut Call, u8)> {
        let name = reading::call_id(message, cx.mark).filter(|name| name.kind == Kind::Call)?;
        let contact = reading::device_of(message.request_uri())?;
        let call = self.table.get_mut(name.slot, name.generation)?;
        let is_here = call.callee == contact.user
            && usize::from(contact.device) < call.devices.len()
            && cx.endpoints.at(cx.endpoints.index_of(contact)).socket == origin.socket;
        is_here.then_some((call, contact.device))
    }

    fn on_invite(&mut self, cx: &mut Context, origin: Origin, message: &Message<'_>) {
        let ring = self.plan.ring;
        let Some((call, device)) = self.device_called(cx, origin, message) else {
            cx.tally.stray(message);
            // A call that has ended, or a stranger's.
            return answer_alone(cx, origin, message, b"480 Temporarily Unavailable");
        };
        let Some(branch) = reading::top_branch(message) else { return };
        let state = &mut call.devices[usize::from(device)];
        if state.stage != DeviceStage::Silent {
            if state.branch != branch {
                return answer_alone(cx, origin, message, b"482 Loop Detected");
            }
            cx.tally.retransmissions_received += u64::from(call.measured);
            return call.repeat_answer(cx, device);
        }
        state.stage = DeviceStage::Ringing;
        state.remote = origin.remote;
        state.branch.extend_from_slice(branch);
        reading::emit_answer_head(message, cx.mark, reading::device_name(call.name, device), &mut state.head);
        cx.tally.forks.rang += u64::from(call.measured);
        call.answer_invite(cx, device, b"180 Ringing");
        if device == call.answerer {
            call.answer_intended = cx.now + ring;
            if ring == Duration::ZERO {
                call.answer(cx, device);
            } else {
                let step = call.devices[usize::from(device)].step;
                cx.arm_exact(ring, call.name, Owner::Device(device), step);
            }
        }
    }

    fn on_ack(&mut self, cx: &mut Context, message: &Message<'_>) {
        let Some((call, device)) = self.dialog_of(cx, message) else {
            cx.tally.stray(message);
            return;
        };
        let name = call.name;
        let is_ours = is_for(message, call, device);
        let state = &mut call.devices[usize::from(device)];
        let outcome = match state.stage {
            // The ACK to a 2xx is a transaction of its own, sent to the remote target (§13.2.2.4).
            DeviceStage::Answered | DeviceStage::HungUp if !is_ours => Outcome::Failed(Cause::WrongDialog),
            DeviceStage::Answered | DeviceStage::HungUp => {
                if !state.has_ack {
                    state.has_ack = true;
                    state.step += 1;
                }
                call.outcome()
            }
            // The ACK to a 487 belongs to the INVITE's transaction (§17.1.1.3).
            DeviceStage::Cancelled if reading::top_branch(message) == Some(&state.branch) => {
                state.stage = DeviceStage::Lost;
                state.step += 1;
                cx.tally.forks.acked_487 += u64::from(call.measured);
                call.outcome()
            }
            DeviceStage::Cancelled => Outcome::Failed(Cause::WrongDialog),
            DeviceStage::Silent | DeviceStage::Ringing | DeviceStage::Lost => Outcome::Open,
        };
        self.settle(cx, name, outcome, Some(message));
    }

    fn on_cancel(&mut self, cx: &mut Context, origin: Origin, message: &Message<'_>) {
        let mark = cx.mark;
        let Some((call, device)) = self.device_called(cx, origin, message) else {
            return cancel_of_ended(cx, origin, message);
        };
        let tag = reading::device_name(call.name, device);
        let state = &mut call.devices[usize::from(device)];
        if state.stage == DeviceStage::Silent || reading::top_branch(message) != Some(&state.branch) {
            return answer_alone(cx, origin, message, b"481 Call/Transaction Does Not Exist");
        }
        answer_with(cx, origin, b"200 OK", |out| reading::emit_answer_head(message, mark, tag, out));
        if state.stage != DeviceStage::Ringing {
            // Too late, or once more (§9.2): the INVITE has its final answer.
            cx.tally.retransmissions_received +=
                u64::from(call.measured && state.stage == DeviceStage::Cancelled);
            return;
        }
        state.stage = DeviceStage::Cancelled;
        state.step += 1;
        if call.measured {
            cx.tally.forks.cancelled += 1;
            cx.tally.record(Step::CancelToLosers, call.answer_intended, cx.now);
        }
        call.refuse(cx, device);
    }

    fn on_bye(&mut self, cx: &mut Context, origin: Origin, message: &Message<'_>) {
        let Some((call, device)) = self.dialog_of(cx, message) else {
            cx.tally.stray(message);
            return answer_alone(cx, origin, message, b"481 Call/Transaction Does Not Exist");
        };
        let name = call.name;
        let is_ours = is_for(message, call, device);
        let measured = call.measured;
        let state = &mut call.devices[usize::from(device)];
        match state.stage {
            _ if !is_ours => {
                answer_alone(cx, origin, message, b"481 Call/Transaction Does Not Exist");
                return self.settle(cx, name, Outcome::Failed(Cause::WrongDialog), Some(message));
            }
            DeviceStage::Answered => state.stage = DeviceStage::HungUp,
            DeviceStage::HungUp => cx.tally.retransmissions_received += u64::from(measured),
            DeviceStage::Silent | DeviceStage::Ringing | DeviceStage::Cancelled | DeviceStage::Lost => {
                return answer_alone(cx, origin, message, b"481 Call/Transaction Does Not Exist");
            }
        }
        let tag = reading::device_name(name, device);
        let mark = cx.mark;
        answer_with(cx, origin, b"200 OK", |out| reading::emit_answer_head(message, mark, tag, out));
    }

    /// The call and device of a request inside a dialog, by its Call-ID and both tags.
    fn dialog_of(&mut self, cx: &Context, message: &Message<'_>) -> Option<(&mut Call, u8)> {
        let call_id = reading::call_id(message, cx.mark)?;
        let tag = |id| reading::tag_of(message, id).and_then(|tag| cx.mark.parse_tag(tag));
        let device = tag(HeaderId::To).filter(|name| name.kind == Kind::Device)?;
        let call = self.table.get_mut(call_id.slot, call_id.generation)?;
        let is_same = call.name == call_id
            && reading::device_name(call_id, device.part) == device
            && usize::from(device.part) < call.devices.len()
            && tag(HeaderId::From) == Some(call_id);
        is_same.then_some((call, device.part))
    }
}

impl Call {
    pub(super) fn on_device_timer(&mut self, cx: &mut Context, due: Instant, device: u8) -> Outcome {
        let state = &mut self.devices[usize::from(device)];
        match state.stage {
            DeviceStage::Ringing => {
                self.answer_intended = due;
                self.answer(cx, device);
                return Outcome::Open;
            }
            DeviceStage::Answered | DeviceStage::HungUp | DeviceStage::Cancelled => {}
            DeviceStage::Silent | DeviceStage::Lost => return Outcome::Open,
        }
        let is_cancelled = state.stage == DeviceStage::Cancelled;
        if timers::wait_after(state.sent + 1, false).is_none() {
            return Outcome::Failed(if is_cancelled { Cause::NoAckOf487 } else { Cause::NoAck });
        }
        cx.tally.retransmissions_sent += u64::from(self.measured);
        if is_cancelled {
            self.refuse(cx, device)
        } else {
            self.send_answer(cx, device)
        }
        Outcome::Open
    }

    /// The device is picked up.
    fn answer(&mut self, cx: &mut Context, device: u8) {
        let state = &mut self.devices[usize::from(device)];
        state.stage = DeviceStage::Answered;
        state.step += 1;
        self.send_answer(cx, device);
    }

    /// Sends the 200, for the first time or again (§13.3.1.4).
    fn send_answer(&mut self, cx: &mut Context, device: u8) {
        self.answer_invite(cx, device, b"200 OK");
        self.await_ack(cx, device);
    }

    /// Sends the 487, for the first time or again (§9.2, §17.2.1).
    fn refuse(&mut self, cx: &mut Context, device: u8) {
        self.answer_invite(cx, device, b"487 Request Terminated");
        self.await_ack(cx, device);
    }

    fn await_ack(&mut self, cx: &mut Context, device: u8) {
        let state = &mut self.devices[usize::from(device)];
        state.sent += 1;
        if let Some(wait) = timers::wait_after(state.sent, false) {
            cx.arm(wait, self.name, Owner::Device(device), state.step);
        }
    }

    /// The INVITE came again: so does its answer.
    fn repeat_answer(&self, cx: &mut Context, device: u8) {
        match self.devices[usize::from(device)].stage {
            DeviceStage::Silent => {}
            DeviceStage::Ringing => self.answer_invite(cx, device, b"180 Ringing"),
            DeviceStage::Answered => self.answer_invite(cx, device, b"200 OK"),
            DeviceStage::Cancelled => self.answer_invite(cx, device, b"487 Request Terminated"),
            DeviceStage::HungUp | DeviceStage::Lost => {}
        }
    }

    fn answer_invite(&self, cx: &mut Context, device: u8, status: &[u8]) {
        let contact = Contact { user: self.callee, device };
        let socket = cx.endpoints.at(cx.endpoints.index_of(contact)).socket;
        let state = &self.devices[usize::from(device)];
        let out = cx.outgoing.open();
        emit_status_line(status, out);
        out.extend_from_slice(&state.head);
        if status[0] < b'3' {
            out.extend_from_slice(b"Contact: <sip:");
            contact.emit(out);
            out.push(b'@');
            out.extend_from_slice(&cx.locals[socket as usize]);
            out.extend_from_slice(b">\r\n");
        }
        if status[0] == b'2' {
            out.extend_from_slice(ALLOW);
            out.extend_from_slice(&cx.texts.sdp_tail);
        } else {
            out.extend_from_slice(EMPTY_TAIL);
        }
        cx.outgoing.close(socket, state.remote);
    }
}

/// Answers a request where no calls are made.
pub fn answer_stranger(cx: &mut Context, origin: Origin, message: &Message<'_>) {
    match message.method() {
        _ if !message.is_answerable() => cx.tally.stray(message),
        Some(Method::Options) => answer_alone(cx, origin, message, b"200 OK"),
        Some(Method::Invite) => answer_alone(cx, origin, message, b"480 Temporarily Unavailable"),
        Some(Method::Bye | Method::Cancel) => {
            answer_alone(cx, origin, message, b"481 Call/Transaction Does Not Exist");
        }
        _ => answer_alone(cx, origin, message, b"405 Method Not Allowed"),
    }
}

/// True when the Request-URI of a request inside the dialog is the device's Contact (§12.2.1.1).
fn is_for(message: &Message<'_>, call: &Call, device: u8) -> bool {
    reading::device_of(message.request_uri()) == Some(Contact { user: call.callee, device })
}

/// A CANCEL of a call that is over here, failed perhaps: 200, and the 487 that ends the sender's INVITE, with the tag that the device
/// has used before.
fn cancel_of_ended(cx: &mut Context, origin: Origin, message: &Message<'_>) {
    cx.tally.stray(message);
    let named = reading::call_id(message, cx.mark).zip(reading::device_of(message.request_uri()));
    let Some((name, contact)) = named else {
        return answer_alone(cx, origin, message, b"481 Call/Transaction Does Not Exist");
    };
    let (mark, tag) = (cx.mark, reading::device_name(name, contact.device));
    answer_with(cx, origin, b"200 OK", |out| reading::emit_answer_head(message, mark, tag, out));
    answer_with(cx, origin, b"487 Request Terminated", |out| {
        reading::emit_cancelled_head(message, mark, tag, out);
    });
}

/// Answers a request that leaves no trace here. The tag is made of the Call-ID where that is ours, or else it is one for all: who asks
/// again gets the same (§8.2.6.2).
fn answer_alone(cx: &mut Context, origin: Origin, message: &Message<'_>, status: &[u8]) {
    let stranger = Name { kind: Kind::Device, part: 0, slot: u32::MAX, generation: 0 };
    let tag = reading::call_id(message, cx.mark).map_or(stranger, |name| reading::device_name(name, u8::MAX));
    let mark = cx.mark;
    answer_with(cx, origin, status, |out| {
        reading::emit_answer_head(message, mark, tag, out);
        out.extend_from_slice(ALLOW);
    });
}

fn answer_with(cx: &mut Context, origin: Origin, status: &[u8], head: impl FnOnce(&mut Vec<u8>)) {
    let out = cx.outgoing.open();
    emit_status_line(status, out);
    head(out);
    out.extend_from_slice(EMPTY_TAIL);
    cx.outgoing.close(origin.socket, origin.remote);
}

fn emit_status_line(status: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"SIP/2.0 ");
    out.extend_from_slice(status);
    out.extend_from_slice(b"\r\n");
}

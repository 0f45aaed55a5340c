//! The caller's side: INVITE, ACK, BYE (RFC 3261 §13.2, §15.1.1, §17.1).

use tine::sip::header_id::HeaderId;
use tine::sip::message::Message;
use tine::time::{Duration, Instant};

use super::{Call, Calls, DeviceStage, Outcome, Stage};
use crate::context::Context;
use crate::names::{Kind, Name};
use crate::reading;
use crate::tally::{Cause, Step};
use crate::timers::{self, Owner, T1};

/// The CSeq of a call's INVITE; its BYE has the next.
const INVITE_CSEQ: u32 = 1;

impl Calls {
    /// An answer to an INVITE or a BYE came; `name` is its branch's.
    pub fn on_response(&mut self, cx: &mut Context, name: Name, socket: u32, message: &Message<'_>) {
        let Some(call) = self.table.get_mut(name.slot, name.generation) else {
            cx.tally.stray(message);
            // The refusal of a call that has ended is acknowledged all the same, or it would come for half a minute.
            if name.kind == Kind::Invite && message.status() >= 300 {
                acknowledge_refusal(cx, socket, message);
            }
            return;
        };
        let name_of_call = call.name;
        let is_same_dialog = reading::call_id(message, cx.mark) == Some(call.name)
            && reading::tag_of(message, HeaderId::From).and_then(|tag| cx.mark.parse_tag(tag))
                == Some(call.name);
        let outcome = if !is_same_dialog {
            Outcome::Failed(Cause::WrongDialog)
        } else if name.kind == Kind::Invite {
            call.on_invite_response(cx, socket, message, self.plan.hold)
        } else {
            call.on_bye_response(cx, message)
        };
        self.settle(cx, name_of_call, outcome, Some(message));
    }
}

impl Call {
    /// Sends the INVITE, for the first time or again.
    pub(super) fn send_invite(&mut self, cx: &mut Context) {
        self.sent += 1;
        let mut values = cx.values(self.caller, self.name);
        values.branch = self.name.with(Kind::Invite, 0);
        values.to_user = self.callee;
        values.cseq = INVITE_CSEQ;
        cx.send(self.caller, cx.target, |texts| &texts.invite, &values);
        if let Some(wait) = timers::wait_after(self.sent, true) {
            cx.arm(wait, self.name, Owner::Caller, self.step);
        }
    }

    pub(super) fn on_caller_timer(&mut self, cx: &mut Context, due: Instant, hold: Duration) -> Outcome {
        match self.stage {
            Stage::Calling | Stage::HangingUp => {
                let is_invite = self.stage == Stage::Calling;
                if timers::wait_after(self.sent + 1, is_invite).is_none() {
                    return Outcome::Failed(Cause::Timeout);
                }
                cx.tally.retransmissions_sent += u64::from(self.measured);
                if is_invite {
                    self.send_invite(cx)
                } else {
                    self.send_bye(cx)
                }
                Outcome::Open
            }
            // A proxy's Timer C, or the end of the grace, ends a call that only rings.
            Stage::Proceeding => Outcome::Open,
            Stage::Talking => {
                debug_assert!(hold > Duration::ZERO, "without a hold the BYE follows the ACK at once");
                self.hang_up(cx, due);
                Outcome::Open
            }
            Stage::Ending => {
                let is_ringing = self.devices.iter().any(|device| device.stage == DeviceStage::Ringing);
                Outcome::Failed(if is_ringing { Cause::NoCancel } else { Cause::Timeout })
            }
        }
    }

    fn on_invite_response(
        &mut self,
        cx: &mut Context,
        socket: u32,
        message: &Message<'_>,
        hold: Duration,
    ) -> Outcome {
        let status = message.status();
        let to_tag = reading::tag_of(message, HeaderId::To);
        let device = to_tag.and_then(|tag| cx.mark.parse_tag(tag)).filter(|tag| self.is_device(*tag));
        if let Some(device) = device {
            self.tags_seen |= 1 << (device.part % 64);
        }
        let is_waiting = matches!(self.stage, Stage::Calling | Stage::Proceeding);
        match status {
            0..=199 => {
                if is_waiting {
                    self.on_provisional(cx, status);
                }
                Outcome::Open
            }
            200 if is_waiting => match (to_tag, device) {
                (Some(to_tag), Some(device)) => self.on_answer(cx, message, to_tag, device, hold),
                _ => Outcome::Failed(Cause::WrongDialog),
            },
            200 if to_tag == Some(&self.to_tag) => {
                // The ACK was lost, or is still on its way (§13.2.2.4).
                cx.tally.retransmissions_received += u64::from(self.measured);
                cx.tally.retransmissions_sent += u64::from(self.measured);
                self.send_ack(cx);
                Outcome::Open
            }
            200..=299 if is_waiting => Outcome::Failed(Cause::UnexpectedStatus(status)),
            200..=299 => Outcome::Failed(Cause::SecondFinal),
            _ => {
                acknowledge_refusal(cx, socket, message);
                Outcome::Failed(match status {
                    _ if !is_waiting => Cause::SecondFinal,
                    300..=399 => Cause::UnexpectedStatus(status),
                    _ => Cause::Status(status),
                })
            }
        }
    }

    /// True for the To tag of a device of this call that has answered its INVITE.
    fn is_device(&self, tag: Name) -> bool {
        let called = self.devices.get(usize::from(tag.part));
        tag == reading::device_name(self.name, tag.part)
            && called.is_some_and(|device| device.stage != DeviceStage::Silent)
    }

    fn on_provisional(&mut self, cx: &mut Context, status: u16) {
        if self.stage == Stage::Calling {
            self.stage = Stage::Proceeding;
            self.step += 1;
        }
        self.has_provisional = true;
        if !self.measured {
            return;
        }
        if status == 100 && !self.has_trying {
            self.has_trying = true;
            cx.tally.record(Step::Invite100, self.intended, cx.now);
        } else if status / 10 == 18 && !self.has_ringing {
            self.has_ringing = true;
            cx.tally.record(Step::Invite18x, self.intended, cx.now);
        }
    }

    /// The 200: takes the dialog's state from it (§12.1.2) and acknowledges it.
    fn on_answer(
        &mut self,
        cx: &mut Context,
        message: &Message<'_>,
        to_tag: &[u8],
        device: Name,
        hold: Duration,
    ) -> Outcome {
        let Some(remote_target) = reading::contact_uri(message) else {
            return Outcome::Failed(Cause::Malformed);
        };
        let Ok(first_route) = reading::emit_reversed_routes(message, &mut self.routes) else {
            return Outcome::Failed(Cause::Malformed);
        };
        let is_answered = matches!(
            self.devices[usize::from(device.part)].stage,
            DeviceStage::Answered | DeviceStage::HungUp
        );
        if !is_answered {
            return Outcome::Failed(Cause::WrongDialog);
        }
        self.next_hop = reading::address_of(first_route.unwrap_or(remote_target)).unwrap_or(cx.target);
        self.to_tag.extend_from_slice(to_tag);
        self.remote_target.extend_from_slice(remote_target);
        self.winner = device.part;
        self.stage = Stage::Talking;
        self.step += 1;
        if self.measured {
            cx.tally.record(Step::Invite200, self.intended, cx.now);
        }
        self.send_ack(cx);
        if hold == Duration::ZERO {
            self.hang_up(cx, cx.now);
        } else {
            cx.arm_exact(hold, self.name, Owner::Caller, self.step);
        }
        Outcome::Open
    }

    fn send_ack(&self, cx: &mut Context) {
        let mut values = cx.values(self.caller, self.name);
        values.branch = self.name.with(Kind::Ack, 0);
        values.to_user = self.callee;
        (values.request_uri, values.routes, values.to_tag) =
            (&self.remote_target, &self.routes, &self.to_tag);
        values.cseq = INVITE_CSEQ;
        cx.send(self.caller, self.next_hop, |texts| &texts.ack, &values);
    }

    fn hang_up(&mut self, cx: &mut Context, intended: Instant) {
        self.stage = Stage::HangingUp;
        self.bye_intended = intended;
        self.sent = 0;
        self.step += 1;
        self.send_bye(cx);
    }

    fn send_bye(&mut self, cx: &mut Context) {
        self.sent += 1;
        let mut values = cx.values(self.caller, self.name);
        values.branch = self.name.with(Kind::Bye, 0);
        values.to_user = self.callee;
        (values.request_uri, values.routes, values.to_tag) =
            (&self.remote_target, &self.routes, &self.to_tag);
        values.cseq = INVITE_CSEQ + 1;
        cx.send(self.caller, self.next_hop, |texts| &texts.bye, &values);
        if let Some(wait) = timers::wait_after(self.sent, false) {
            cx.arm(wait, self.name, Owner::Caller, self.step);
        }
    }

    fn on_bye_response(&mut self, cx: &mut Context, message: &Message<'_>) -> Outcome {
        if message.status() < 200 {
            return Outcome::Open;
        }
        if self.stage != Stage::HangingUp {
            cx.tally.retransmissions_received += u64::from(self.measured);
            return Outcome::Open;
        }
        match message.status() {
            200 if reading::tag_of(message, HeaderId::To) != Some(&self.to_tag) => {
                return Outcome::Failed(Cause::WrongDialog);
            }
            200 => {}
            status @ 201..=399 => return Outcome::Failed(Cause::UnexpectedStatus(status)),
            status => return Outcome::Failed(Cause::Status(status)),
        }
        if self.measured {
            cx.tally.record(Step::Bye200, self.bye_intended, cx.now);
        }
        self.stage = Stage::Ending;
        self.step += 1;
        let outcome = self.outcome();
        if outcome == Outcome::Open {
            // A device that rang waits for its CANCEL no longer than a transaction lives.
            cx.arm(T1.times(64), self.name, Owner::Caller, self.step);
        }
        outcome
    }
}

fn acknowledge_refusal(cx: &mut Context, socket: u32, message: &Message<'_>) {
    let target = cx.target;
    if reading::emit_ack_of_refusal(message, cx.outgoing.open()).is_some() {
        cx.outgoing.close(socket, target);
    }
}

//! Calls, with both ends here: the caller's side in `caller`, the called devices' in `callee`.
//!
//! One record holds both sides. A proxy leaves the Call-ID and the tags alone, so every message of a call leads to its record by the
//! slot and generation that they carry, and each side can check that the other one's dialog is the one it sees.

mod callee;
mod caller;

pub use callee::{Origin, answer_stranger};

use tine::flow::Address;
use tine::sip::message::Message;
use tine::storage::table::Table;
use tine::time::Instant;

use crate::cli::{Answer, CallPlan};
use crate::context::Context;
use crate::names::{Kind, Name};
use crate::pacing::Start;
use crate::tally::{Cause, Specimen};
use crate::timers::{Owner, TimerKey};

/// All calls of one thread.
#[derive(Debug)]
pub struct Calls {
    table: Table<Call>,
    plan: CallPlan,
    /// Ended calls, kept for the room that their buffers have.
    spare: Vec<Call>,
}

/// One call.
#[derive(Debug)]
struct Call {
    name: Name,
    intended: Instant,
    measured: bool,
    /// The endpoint that calls: device 0 of its user.
    caller: u32,
    /// The user that is called.
    callee: u32,
    /// The device that answers.
    answerer: u8,
    stage: Stage,
    /// Transmissions of the caller's pending request.
    sent: u8,
    /// Moves on whenever the caller's timer loses its meaning.
    step: u16,
    has_provisional: bool,
    has_trying: bool,
    has_ringing: bool,
    /// One bit for each device whose To tag the caller has seen.
    tags_seen: u64,
    winner: u8,
    /// Of the dialog, as the caller sees it.
    to_tag: Vec<u8>,
    remote_target: Vec<u8>,
    routes: Vec<u8>,
    next_hop: Address,
    /// When the BYE was meant to be sent.
    bye_intended: Instant,
    /// When the winner was meant to answer.
    answer_intended: Instant,
    devices: Vec<Device>,
}

/// The caller's side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// INVITE sent, no answer.
    Calling,
    /// A provisional answer came.
    Proceeding,
    /// ACK sent.
    Talking,
    /// BYE sent.
    HangingUp,
    /// BYE answered; a device has not seen its end yet.
    Ending,
}

/// A called device.
#[derive(Debug)]
struct Device {
    stage: DeviceStage,
    has_ack: bool,
    /// Transmissions of the pending final answer.
    sent: u8,
    /// Moves on whenever the device's timer loses its meaning.
    step: u16,
    /// Where its answers go.
    remote: Address,
    /// What its answers to the INVITE repeat of it.
    head: Vec<u8>,
    /// Of the INVITE.
    branch: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum DeviceStage {
    /// Not called.
    Silent,
    /// 180 sent.
    Ringing,
    /// 200 sent.
    Answered,
    /// BYE answered.
    HungUp,
    /// 487 sent.
    Cancelled,
    /// 487 acknowledged.
    Lost,
}

/// Calls that one thread keeps in flight: half a minute of 30,000 calls a second.
const CALLS_MAX: u32 = 1 << 20;

impl Calls {
    pub fn new(plan: CallPlan) -> Self {
        Calls { table: Table::new(CALLS_MAX), plan, spare: Vec::new() }
    }

    /// Starts the call of the user whose turn it is.
    pub fn start(&mut self, cx: &mut Context, start: Start) {
        let users = cx.endpoints.users();
        let user = (start.number % u64::from(users)) as u32;
        let devices = self.plan.devices;
        let answerer = match self.plan.answer {
            Answer::First => 0,
            Answer::Last => devices - 1,
            Answer::Random => cx.draw.below(devices),
            Answer::Index(index) => index,
        };
        if start.measured {
            cx.tally.attempted += 1;
        }
        let mut call = self.spare.pop().unwrap_or_else(|| Call::new(cx.target));
        call.begin(start, user * u32::from(devices), (user + users / 2) % users, answerer, devices);
        let Some((slot, generation)) = self.table.insert(call) else {
            if start.measured && cx.tally.fail(Cause::InFlightMax) {
                cx.tally.specimens.push(Specimen {
                    cause: Cause::InFlightMax,
                    after: cx.now.since(start.intended),
                    what: format!("call {} of user {user}", start.number),
                    message: String::new(),
                });
            }
            return;
        };
        let call = self.table.get_mut(slot, generation).expect("it was inserted above");
        call.name = Name { kind: Kind::Call, part: 0, slot, generation };
        call.send_invite(cx);
    }

    /// A timer of a call ran out; `due` is when it was meant to.
    pub fn on_timer(&mut self, cx: &mut Context, due: Instant, key: TimerKey) {
        let Some(call) = self.table.get_mut(key.slot, key.generation) else { return };
        let name = call.name;
        let outcome = match key.owner {
            Owner::Caller if call.step == key.step => call.on_caller_timer(cx, due, self.plan.hold),
            Owner::Device(device) if call.devices[usize::from(device)].step == key.step => {
                call.on_device_timer(cx, due, device)
            }
            _ => return,
        };
        self.settle(cx, name, outcome, None);
    }

    /// The grace is over: what is measured and in flight has failed.
    pub fn give_up(&mut self, cx: &mut Context) {
        for slot in 0..CALLS_MAX {
            if cx.tally.in_flight() == 0 {
                return;
            }
            let Some((_, call)) = self.table.at(slot) else { continue };
            if call.measured {
                let name = call.name;
                self.settle(cx, name, Outcome::Failed(Cause::Timeout), None);
            }
        }
    }

    /// Ends a call when its outcome says so.
    fn settle(&mut self, cx: &mut Context, name: Name, outcome: Outcome, message: Option<&Message<'_>>) {
        if outcome == Outcome::Open {
            return;
        }
        let Some(call) = self.table.remove(name.slot, name.generation) else { return };
        if call.measured {
            match outcome {
                Outcome::Open => {}
                Outcome::Succeeded => {
                    cx.tally.succeeded += 1;
                    cx.tally.forks.won[usize::from(call.winner)] += 1;
                }
                Outcome::Failed(cause) => {
                    if cx.tally.fail(cause) {
                        let specimen = call.specimen(cx, cause, message);
                        cx.tally.specimens.push(specimen);
                    }
                }
            }
            let forks = &mut cx.tally.forks;
            forks.to_tags_max = forks.to_tags_max.max(call.tags_seen.count_ones());
        }
        self.spare.push(call);
    }
}

/// What an event means for the call as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Open,
    Succeeded,
    Failed(Cause),
}

impl Call {
    fn new(target: Address) -> Self {
        Call {
            name: Name { kind: Kind::Call, part: 0, slot: 0, generation: 0 },
            intended: Instant::default(),
            measured: false,
            caller: 0,
            callee: 0,
            answerer: 0,
            stage: Stage::Calling,
            sent: 0,
            step: 0,
            has_provisional: false,
            has_trying: false,
            has_ringing: false,
            tags_seen: 0,
            winner: 0,
            to_tag: Vec::new(),
            remote_target: Vec::new(),
            routes: Vec::new(),
            next_hop: target,
            bye_intended: Instant::default(),
            answer_intended: Instant::default(),
            devices: Vec::new(),
        }
    }

    /// Makes a new call of a used record; its buffers keep their room.
    fn begin(&mut self, start: Start, caller: u32, callee: u32, answerer: u8, devices: u8) {
        let next_hop = self.next_hop;
        self.devices.resize_with(usize::from(devices), || Device::new(next_hop));
        self.devices.iter_mut().for_each(Device::begin);
        (self.intended, self.measured) = (start.intended, start.measured);
        (self.caller, self.callee, self.answerer) = (caller, callee, answerer);
        (self.stage, self.sent, self.step) = (Stage::Calling, 0, 0);
        (self.has_provisional, self.has_trying, self.has_ringing) = (false, false, false);
        (self.tags_seen, self.winner) = (0, answerer);
        self.to_tag.clear();
        self.remote_target.clear();
        self.routes.clear();
    }

    /// The call has succeeded when the caller's BYE was answered and every device that was called has seen its end.
    fn outcome(&self) -> Outcome {
        let has_ended = |device: &Device| match device.stage {
            DeviceStage::Silent | DeviceStage::Lost => true,
            DeviceStage::HungUp => device.has_ack,
            DeviceStage::Ringing | DeviceStage::Answered | DeviceStage::Cancelled => false,
        };
        match self.stage {
            Stage::Ending if self.devices.iter().all(has_ended) => {
                if self.has_provisional {
                    Outcome::Succeeded
                } else {
                    Outcome::Failed(Cause::NoProvisional)
                }
            }
            _ => Outcome::Open,
        }
    }

    fn specimen(&self, cx: &Context, cause: Cause, message: Option<&Message<'_>>) -> Specimen {
        let stages: Vec<DeviceStage> = self.devices.iter().map(|device| device.stage).collect();
        let mut call_id = Vec::new();
        cx.mark.emit(self.name, &mut call_id);
        Specimen {
            cause,
            after: cx.now.since(self.intended),
            what: format!(
                "call {} of user {} to user {}: caller {:?}, devices {stages:?}",
                String::from_utf8_lossy(&call_id),
                cx.endpoints.contact_of(self.caller).user,
                self.callee,
                self.stage,
            ),
            message: message
                .map(|message| String::from_utf8_lossy(message.bytes()).into_owned())
                .unwrap_or_default(),
        }
    }
}

impl Device {
    fn new(remote: Address) -> Self {
        Device {
            stage: DeviceStage::Silent,
            has_ack: false,
            sent: 0,
            step: 0,
            remote,
            head: Vec::new(),
            branch: Vec::new(),
        }
    }

    fn begin(&mut self) {
        (self.stage, self.has_ack, self.sent, self.step) = (DeviceStage::Silent, false, 0, 0);
        self.head.clear();
        self.branch.clear();
    }
}

use super::*;

fn context(is_invite: bool, live_count: u16) -> ResponseContext {
    ResponseContext {
        server: TransactionId { slot: 0, generation: 0, shard: crate::ids::ShardId(0) },
        request: crate::storage::buffers::Buffers::new(1 << 20).store(b"x").expect("room"),
        upstream: Flow::udp(EndpointId(0), crate::flow::Address::new([127, 0, 0, 1].into(), 5060)),
        is_invite,
        is_overloaded: false,
        phase: Phase::Open,
        forks: None,
        live_count,
        best: None,
        cancel: None,
        cancel_lines: None,
        challenges: None,
    }
}

/// Feeds answers in and keeps the best as the shard does; returns the verdicts.
fn answers(context: &mut ResponseContext, statuses: &[u16]) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for &status in statuses {
        let verdict = context.decide_final(Outcome { status, q: 1000 });
        if verdict.keep {
            context.best = Some(Best { status, response: None, q: 1000 });
        }
        verdicts.push(verdict);
    }
    verdicts
}

#[test]
fn first_success_goes_up_and_cancels_the_rest() {
    let mut context = context(true, 3);
    let verdicts = answers(&mut context, &[200, 487, 487]);
    assert_eq!(
        verdicts[0],
        Verdict {
            forward: true,
            cancel_others: Some(CancelReason::CompletedElsewhere),
            ..Verdict::default()
        }
    );
    assert_eq!(verdicts[1..], [Verdict::default(), Verdict::default()]);
    assert_eq!(context.phase, Phase::Answered);
}

#[test]
fn second_success_of_an_invite_goes_up_too() {
    let mut context = context(true, 3);
    let verdicts = answers(&mut context, &[200, 200]);
    assert!(verdicts[1].forward && verdicts[1].cancel_others.is_none());
}

#[test]
fn second_success_of_another_method_is_absorbed() {
    let mut context = context(false, 2);
    let verdicts = answers(&mut context, &[200, 200]);
    assert!(verdicts[0].forward && !verdicts[1].forward);
    assert_eq!(verdicts[0].cancel_others, None, "there is no CANCEL for it");
}

#[test]
fn last_failure_completes_with_the_best() {
    let mut context = context(true, 3);
    let verdicts = answers(&mut context, &[404, 486, 408]);
    assert_eq!(verdicts.iter().map(|v| v.complete).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(context.best.map(|best| best.status), Some(486));
}

#[test]
fn global_failure_cancels_the_rest_once() {
    let mut context = context(true, 3);
    let verdicts = answers(&mut context, &[603, 600, 487]);
    assert_eq!(verdicts[0].cancel_others, Some(CancelReason::Declined(603)));
    assert_eq!(verdicts[1].cancel_others, None);
    assert!(verdicts[2].complete);
    assert_eq!(context.best.map(|best| best.status), Some(603));
}

#[test]
fn higher_q_breaks_a_tie() {
    let mut context = context(true, 3);
    context.best = Some(Best { status: 486, response: None, q: 500 });
    assert!(context.decide_final(Outcome { status: 486, q: 800 }).keep);
    context.best = Some(Best { status: 486, response: None, q: 800 });
    assert!(!context.decide_final(Outcome { status: 486, q: 800 }).keep);
}

#[test]
fn silence_is_told_by_method_and_cause() {
    let best = |is_invite, cancel, status: Option<u16>| {
        let mut context = context(is_invite, 0);
        context.cancel = cancel;
        context.best = status.map(|status| Best { status, response: None, q: 1000 });
        context.decide_best().map(|best| best.status)
    };
    assert_eq!(best(true, None, Some(408)), Some(408));
    assert_eq!(best(true, Some(CancelReason::CallerCancelled), Some(408)), Some(487));
    assert_eq!(best(false, None, Some(408)), None, "RFC 4320: no 408 to a non-INVITE");
    assert_eq!(best(false, None, Some(503)), Some(500));
    assert_eq!(best(true, None, Some(503)), Some(500));
}

#[test]
fn cancel_waits_for_a_provisional() {
    let mut fork = Fork {
        context: ContextId { slot: 0, generation: 0 },
        next: None,
        client: None,
        state: ForkState::Calling,
        cancel: ForkCancel::None,
        q: 1000,
        target: crate::storage::buffers::Buffers::new(1 << 20).store(b"x").expect("room"),
        way: Way::Flow(context(true, 1).upstream),
        failure: 503,
        timer_c: Instant::NEVER,
        sent_by: None,
        neighbours: Neighbours::default(),
    };
    assert!(!fork.decide_cancel());
    assert_eq!(fork.cancel, ForkCancel::Held);
    fork.state = ForkState::Proceeding;
    assert!(fork.decide_cancel());
    assert!(!fork.decide_cancel(), "one CANCEL a fork");
    fork.state = ForkState::Ended;
    fork.cancel = ForkCancel::None;
    assert!(!fork.decide_cancel());
}

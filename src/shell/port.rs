//! The ring between the services' thread and one shard: questions one way, answers the other, both bounded, nobody ever waits on a
//! full one.
//!
//! A doorbell wakes the shard's executor: wait until [`ShardEnd::doorbell`] is readable, then call [`ShardEnd::next_question`] until
//! it is `None`. The bell is rung after its question lies in the ring and is silenced before the ring is looked at for the last
//! time, so no question is overlooked; a wake without a question is possible and harmless.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use socket2::SockRef;
use tokio::sync::mpsc;

use crate::limits::PORT_RING_MAX;
use crate::shard::port::{Answer, Question};

/// Makes the two ends of one ring.
///
/// # Errors
/// When the system has no more file descriptors.
pub fn pair() -> io::Result<(ServiceEnd, ShardEnd)> {
    let (bell_push, bell) = UnixDatagram::pair()?;
    bell_push.set_nonblocking(true)?;
    let (questions_in, questions_out) = sync_channel(PORT_RING_MAX);
    let (answers_in, answers_out) = mpsc::channel(PORT_RING_MAX);
    let service = ServiceEnd { questions: questions_in, answers: answers_out, bell_push };
    let shard = ShardEnd { questions: questions_out, answers: answers_in, bell, refused: 0 };
    Ok((service, shard))
}

/// The services' end: asks, and takes the answers.
#[derive(Debug)]
pub struct ServiceEnd {
    questions: SyncSender<Question>,
    answers: mpsc::Receiver<Answer>,
    bell_push: UnixDatagram,
}

/// The shard's end: takes the questions, and answers. Its owner is the shard's shell.
#[derive(Debug)]
pub struct ShardEnd {
    questions: Receiver<Question>,
    answers: mpsc::Sender<Answer>,
    bell: UnixDatagram,
    refused: u64,
}

/// The ring is full, or the other end is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused;

impl ServiceEnd {
    /// Puts a question into the ring and rings the bell.
    ///
    /// # Errors
    /// When the shard has not taken `PORT_RING_MAX` earlier questions, or has ended.
    pub fn ask(&mut self, question: Question) -> Result<(), Refused> {
        self.questions.try_send(question).map_err(|_| Refused)?;
        // A bell that can not be rung because it rings already (a full socket) wakes the shard all the same.
        let _ = self.bell_push.send(b"!");
        Ok(())
    }

    /// The next answer, in the order of the questions. `None` once the shard has ended. Nothing is lost when the future is dropped.
    pub async fn next_answer(&mut self) -> Option<Answer> {
        self.answers.recv().await
    }
}

impl ShardEnd {
    /// Readable when a question may lie in the ring. The descriptor is in blocking mode, as io_uring wants it; a datagram socket.
    pub fn doorbell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// The oldest question that has not been taken; never waits.
    pub fn next_question(&mut self) -> Option<Question> {
        if let Ok(question) = self.questions.try_recv() {
            return Some(question);
        }
        self.silence();
        self.questions.try_recv().ok()
    }

    /// Never waits: when the services do not take their answers, this one is dropped and counted.
    pub fn answer(&mut self, answer: Answer) {
        if self.answers.try_send(answer).is_err() {
            self.refused += 1;
        }
    }

    /// Answers that found their ring full.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Takes every ring of the bell, of which there are at most as many as the kernel queues.
    fn silence(&self) {
        let bell = SockRef::from(&self.bell);
        let mut ring = [MaybeUninit::uninit(); 1];
        while matches!(bell.recv_with_flags(&mut ring, libc::MSG_DONTWAIT), Ok(1)) {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::port::State;

    fn has_rung(end: &ShardEnd) -> bool {
        let mut ring = [MaybeUninit::uninit(); 1];
        SockRef::from(&end.bell).recv_with_flags(&mut ring, libc::MSG_DONTWAIT | libc::MSG_PEEK).is_ok()
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn questions_arrive_in_order_and_silence_the_bell() {
        let (mut service, mut shard) = pair().unwrap();
        assert!(!has_rung(&shard));
        assert_eq!(shard.next_question(), None);
        for ticket in 0..3 {
            service.ask(Question::State { ticket }).unwrap();
        }
        assert!(has_rung(&shard));
        for ticket in 0..3 {
            assert_eq!(shard.next_question(), Some(Question::State { ticket }));
        }
        assert_eq!(shard.next_question(), None);
        assert!(!has_rung(&shard));
    }

    #[test]
    fn a_full_ring_refuses_and_goes_on_when_there_is_room() {
        let (mut service, mut shard) = pair().unwrap();
        let taken =
            (0..2 * PORT_RING_MAX as u32).filter(|&ticket| service.ask(Question::Drain { ticket }).is_ok());
        assert_eq!(taken.count(), PORT_RING_MAX);
        assert_eq!(shard.next_question(), Some(Question::Drain { ticket: 0 }));
        assert_eq!(service.ask(Question::Drain { ticket: 99 }), Ok(()));
        assert_eq!(service.ask(Question::Drain { ticket: 100 }), Err(Refused));
        drop(shard);
        assert_eq!(service.ask(Question::Drain { ticket: 101 }), Err(Refused));
    }

    #[test]
    fn answers_that_nobody_takes_are_counted() {
        let (mut service, mut shard) = pair().unwrap();
        for ticket in 0..PORT_RING_MAX as u32 + 2 {
            shard.answer(Answer::State { ticket, state: State::default() });
        }
        assert_eq!(shard.refused(), 2);
        for ticket in 0..PORT_RING_MAX as u32 {
            assert_eq!(block_on(service.next_answer()).map(|answer| answer.ticket()), Some(ticket));
        }
        drop(shard);
        assert!(block_on(service.next_answer()).is_none());
    }
}

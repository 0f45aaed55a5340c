//! Where tine does on purpose what an RFC does not say, and why.
//!
//! | rule | what tine does | why |
//! |---|---|---|
//! | RFC 3261 §18.2.2, RFC 3581 §4: responses go to the port in the Via unless `rport` asks otherwise | in zone access with `nat.fix`, to the address and port that the request came from | phones behind NAT that do not say `rport` are not reached otherwise |
//! | RFC 3261 §10.3, §16.5: a device is rung at its Contact | with `nat.fix`, a device of zone access whose REGISTER came directly is rung where that came from, over the same flow | the Contact of a device behind NAT names an address that nobody can reach |
//! | RFC 3261 §17: timers D, J, L and M last as long as retransmissions may come, 32 s with the default T1 | `timers.linger_s` may shorten them over UDP | memory of nodes that are short of it; a late retransmission is then taken for a new request |
//! | RFC 3261 §16.6 step 11: timer C is more than three minutes | `timers.timer_c_s` may be 1 s to an hour | tests, and sites where nobody rings for three minutes |
//! | RFC 3261 §16.6 step 11: timer C starts as the INVITE leaves | it starts with the first provisional | until then timer B bounds the fork, and is shorter |
//! | RFC 3261 §8.2.6.1, §17.2: a UAS answers a non-INVITE request through a server transaction | REGISTER, OPTIONS and refusals are answered without one | §8.2.7 allows stateless answers that repeat exactly; a binding remembers the REGISTER that made it, so a repetition changes nothing |
//! | RFC 3261 §16.4: a proxy looks at the topmost Route only | all Routes at the top that are tine's own are taken off together | both sides of a double Record-Route are this node, and the second hop would go to itself |
//! | RFC 5393 §5: Max-Breadth bounds how far a request spreads | it passes unchanged | `fork.targets_max` bounds each step, and the loop hash ends what comes back |
//! | RFC 3261 §25.1: names and values as the grammar has them | a host name may have underscores | they are in use, and mean no harm |
//! | RFC 3261 §16.7 step 2: each provisional but a 100 sets timer C anew | one that comes within a second of the last does not | a device that repeats its 180 would cost a timer each; the three minutes hold, the default is 185 s |
//! | RFC 3261 §16.10: a CANCEL that meets no INVITE is forwarded without state | it gets 481 | every INVITE has passed here with state, so there is nobody to tell, and the caller learns at once |
//! | RFC 3261 §17.1.1: a transport error in Proceeding is no event of the figure | a connection that closes ends the forks that wait for an answer on it, like a 503 | the answer can not come any more, and the caller would wait for timer C |
//! | RFC 3263: a host name is looked up in DNS | a Route, Contact or Request-URI that has to be reached by its name counts as unreachable; `localhost` and addresses are understood | devices are reached by their flows, which need no name |
//! | RFC 3261 §18.2.2: a response whose connection is gone opens a new one | it is dropped, and the request's repetition is answered on its own connection | a device behind NAT accepts no connections |

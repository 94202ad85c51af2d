/* Known bugs of real Raft implementations, kept on a switch so that the simulator can show that it
 * would find them: build everything with -DRAFT_MUTANT=number. Without it each MUTANT() is the
 * constant false, and costs nothing.
 *
 * Where each lives, as MUTANT(number) in the source:
 *
 *   storage/raft
 *    1 replication.c   commits by counting an entry of an older term (Figure 8 of the paper)
 *    2 heartbeat.c     a heartbeat is answered with the follower's own last index, as a match
 * about 3 raft.c          durability acknowledged by index alone (ABA after a truncation) 4
 * replication.c   the leader counts its own entries before they are durable 5 election.c      a
 * vote is sent before term and vote are durable 6 election.c      a second vote in a term while a
 * transfer is pending 7 election.c      a vote is decided on the persisted part of the log alone,
 * while answers for the rest are on their way 8 replication.c   the commit index may go back 9
 * raft.c          append answered when durable to whoever leads by then, in the term of then 10
 * membership.c    an uncommitted configuration is not undone by a truncation 13 election.c,     no
 * no-op at the start of a term, and reads served at once read.c 14 read.c          ReadIndex
 * answered without a quorum round 17 raft.c          commit starved while the leader keeps
 * appending 18 replication.c   retransmission to a lagging follower without bound 19 election.c a
 * removed server disrupts the others: no pre-vote, no refusal in a lease 20 raft.c          a
 * replica of an older generation is still answered
 *
 *   storage/log
 *   12 the log in memory is ahead of the disk after a failed append
 *
 *   the node: tests/sim until storage/shard takes over
 *   11 the leader goes on leading after its disk failed
 *   15 the log is truncated past the durable applied index
 *   16 the installation of a snapshot is not idempotent across a crash */
#ifndef AVISO_STORAGE_RAFT_MUTANT_H
#define AVISO_STORAGE_RAFT_MUTANT_H

#ifndef RAFT_MUTANT
#define RAFT_MUTANT 0
#endif

#define MUTANT(number) (RAFT_MUTANT == (number))

#endif

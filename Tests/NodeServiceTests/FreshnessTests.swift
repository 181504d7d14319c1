import LogStore
import NodeService
import Testing

/// A log of which nothing new comes is told from one whose owner is gone, and that from one that is withheld.
@Suite struct FreshnessTests {
    private static let now: UInt64 = 1_000_000
    private static let limit: UInt64 = 10_800

    /// Seconds ago, `nil` for never.
    private func judge(
        dated: UInt64?, known: UInt64 = 500_000, heard: (from: UInt64, to: UInt64)? = nil, complete: UInt64? = nil,
        grown: UInt64? = nil, _ change: (inout Freshness.Facts) -> Void = { _ in }
    ) -> Freshness {
        let now = Self.now
        var facts = Freshness.Facts(limit: Self.limit, now: now)
        facts.dated = dated.map { now - $0 }
        facts.complete = complete.map { now - $0 }
        facts.contact = LogContact(
            known: now - known, since: heard.map { now - $0.from }, until: heard.map { now - $0.to }, size: 1,
            grown: grown.map { now - $0 })
        facts.isReceiving = grown != nil
        change(&facts)
        return Freshness(facts)
    }

    private func expect(
        _ freshness: Freshness, _ state: Freshness.State, since: UInt64? = nil, isAlarm: Bool = false,
        at location: SourceLocation = #_sourceLocation
    ) {
        #expect(freshness.state == state, sourceLocation: location)
        #expect(freshness.since == since.map { Self.now - $0 }, sourceLocation: location)
        #expect(freshness.isAlarm == isAlarm, sourceLocation: location)
    }

    @Test func whatWasDatedWithinTheLimitIsFreshOrQuiet() {
        expect(judge(dated: 0), .fresh)
        expect(judge(dated: 10_800), .fresh)
        expect(judge(dated: 60, complete: 10_800), .fresh, since: 10_800)
        expect(judge(dated: 60, complete: 10_801), .quiet, since: 10_801)
        // However long ago its owner was heard otherwise, and whoever's log it is.
        expect(judge(dated: 3_600, heard: (400_000, 300_000)), .fresh)
        expect(judge(dated: 3_600) { $0.isOwn = true }, .fresh)
        // A clock that is a little ahead makes nobody late.
        var ahead = Freshness.Facts(limit: Self.limit, now: Self.now)
        ahead.dated = Self.now + 200
        #expect(Freshness(ahead).state == .fresh && Freshness(ahead).age == 0)
    }

    @Test func anOwnerThatIsNotHeardIsSilentSinceItWasHeardLast() {
        expect(judge(dated: 10_801), .silent, since: 10_801, isAlarm: true)
        expect(judge(dated: 50_000, heard: (90_000, 10_801)), .silent, since: 10_801, isAlarm: true)
        expect(judge(dated: 20_000, heard: (90_000, 70_000)), .silent, since: 20_000, isAlarm: true)
        // Without anything that was noted, as in a home of an earlier release.
        expect(judge(dated: 20_000) { $0.contact = nil }, .silent, since: 20_000, isAlarm: true)
    }

    @Test func anOwnerThatWasNeverHeardIsNoAlarmUntilTheLimitIsOver() {
        expect(judge(dated: nil, known: 0), .silent)
        expect(judge(dated: nil, known: 10_800), .silent)
        expect(judge(dated: nil, known: 10_801), .silent, isAlarm: true)
        expect(judge(dated: nil) { $0.contact = nil }, .silent)
    }

    @Test func aLogIsStalledWhenItsOwnerHasBeenHeardForLongerThanTheLimit() {
        expect(judge(dated: 20_000, heard: (90_000, 0)), .stalled, since: 20_000, isAlarm: true)
        // What counts is what was heard after it was dated: here exactly the limit, then a second more.
        expect(judge(dated: 10_860, heard: (90_000, 60)), .catchingUp, since: 90_000)
        expect(judge(dated: 10_861, heard: (90_000, 60)), .stalled, since: 10_861, isAlarm: true)
        // An owner that is heard and never dates.
        expect(judge(dated: nil, heard: (90_000, 0)), .stalled, since: 90_000, isAlarm: true)
        expect(judge(dated: nil, heard: (600, 0)), .catchingUp, since: 600)
    }

    @Test func timeThatThisNodeWasAwayIsNoReasonToCallALogStalled() {
        // Away for a week, back for a moment; for exactly the limit; for longer.
        expect(judge(dated: 604_800, heard: (0, 0)), .catchingUp, since: 0)
        expect(judge(dated: 604_800, heard: (10_800, 0)), .catchingUp, since: 10_800)
        expect(judge(dated: 604_800, heard: (10_801, 0)), .stalled, since: 10_801, isAlarm: true)
    }

    @Test func aLongTransferIsNotStalledAsLongAsItGoesOn() {
        expect(judge(dated: nil, heard: (50_000, 0), grown: 60), .catchingUp, since: 50_000)
        expect(judge(dated: nil, heard: (50_000, 0), grown: 10_801), .stalled, since: 10_801, isAlarm: true)
    }

    @Test func anOwnLogIsUndatedAndAnAlarmWhenItIsLate() {
        expect(judge(dated: nil, known: 60) { $0.isOwn = true }, .undated)
        expect(judge(dated: nil, known: 10_801) { $0.isOwn = true }, .undated, isAlarm: true)
        expect(judge(dated: 10_801) { $0.isOwn = true }, .undated, since: 10_801, isAlarm: true)
        expect(
            judge(dated: nil) {
                $0.isOwn = true
                $0.contact = nil
            }, .undated)
    }

    @Test func frozenRecoveringAndEndedLogsAreNoneOfThese() {
        let late = (dated: UInt64(90_000), heard: (from: UInt64(90_000), to: UInt64(0)))
        expect(judge(dated: late.dated, heard: late.heard) { $0.isFrozen = true }, .frozen)
        expect(judge(dated: late.dated, heard: late.heard) { $0.isRecovering = true }, .recovering)
        expect(judge(dated: late.dated, heard: late.heard) { $0.isFollowed = false }, .ended)
    }

    @Test func shortPausesBelongToAStretchAndLongOnesEndIt() {
        var contact = LogContact(known: 100)
        contact.hear(at: 1_000, gap: 500)
        #expect(contact.since == 1_000 && contact.until == 1_000)
        contact.hear(at: 1_500, gap: 500)
        contact.hear(at: 1_200, gap: 500)
        #expect(contact.since == 1_000 && contact.until == 1_500)
        contact.hear(at: 2_001, gap: 500)
        #expect(contact.since == 2_001 && contact.until == 2_001)
        contact.receive(7, at: 3_000)
        contact.receive(7, at: 4_000)
        #expect(contact.size == 7 && contact.grown == 3_000)
    }
}

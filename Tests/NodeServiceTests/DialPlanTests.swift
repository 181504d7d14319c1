import NodeService
import Testing

@Suite("When a partner is dialled") struct DialPlanTests {
    private let now = ContinuousClock.now
    private let ended = SessionReport(peer: "kr.example")

    private var failed: SessionReport {
        var report = ended
        report.error = SessionFailure(.unreachable, "kr.example: nobody there")
        return report
    }

    @Test("A dial that is under way is not begun again because another connection of the partner ended")
    func underWay() {
        var plan = DialPlan()
        let answer1 = plan.begin(now: now)
        #expect(answer1)
        _ = plan.ended(failed, dialled: false, interval: 60, now: now)
        #expect(plan.isUnderWay)
        let answer2 = plan.begin(now: now + .seconds(3_600))
        #expect(!answer2)
        _ = plan.ended(ended, dialled: true, interval: 60, now: now)
        #expect(!plan.isUnderWay)
        let answer3 = plan.begin(now: now + .seconds(3_600))
        #expect(answer3)
    }

    @Test("Pauses grow with failures up to the interval, and end with a session that did something")
    func pauses() throws {
        var plan = DialPlan()
        for failures in 1...12 {
            let begins = plan.begin(now: now + .seconds(3_600))
            let isNews = plan.ended(failed, dialled: true, interval: 60, now: now)
            #expect(begins)
            #expect(isNews == (failures == 1))
            let pause = min(60, 0.5 * Double(1 << failures))
            let planned = try #require(plan.notBefore) - now
            #expect(planned >= .seconds(pause * 0.5) && planned <= .seconds(pause * 1.5))
        }
        let answer4 = plan.begin(now: now)
        #expect(!answer4)
        plan.hasten(now: now)
        let answer5 = plan.begin(now: now)
        #expect(answer5)
        let answer6 = plan.ended(ended, dialled: true, interval: 60, now: now)
        #expect(answer6)
        let answer7 = plan.begin(now: now + .seconds(0.8))
        #expect(answer7)
    }
}

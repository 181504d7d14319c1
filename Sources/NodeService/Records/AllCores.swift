import Dispatch

/// Work on many records on all cores, in parts; the outcomes are in the order of the inputs. Sealing and opening take
/// some 50 µs for each box, so that parts are small: a core that is done early takes the next.
public enum AllCores {
    public static func map<Input: Sendable, Output: Sendable>(
        _ inputs: [Input], _ make: @Sendable (Input) throws -> Output
    ) -> [Result<Output, any Error>] {
        let parts = min(inputs.count, 64)
        guard parts > 1 else { return inputs.map { input in Result { try make(input) } } }
        let results = Guarded<[Int: [Result<Output, any Error>]]>([:])
        DispatchQueue.concurrentPerform(iterations: parts) { part in
            let range = (part * inputs.count / parts)..<((part + 1) * inputs.count / parts)
            let made = inputs[range].map { input in Result { try make(input) } }
            results.update { $0[part] = made }
        }
        let made = results.value
        return (0..<parts).flatMap { made[$0] ?? [] }
    }
}

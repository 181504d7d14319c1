import Dispatch
import Glibc

/// Waits for rings on a thread of its own and passes on one for as many as came together.
enum RingThread {
    static func start(_ descriptor: Int32, onRing: @escaping @Sendable () -> Void) {
        // The node listens until its process ends.
        DispatchQueue(label: "entente.bell").async {
            var byte: UInt8 = 0
            while true {
                guard recv(descriptor, &byte, 1, 0) >= 0 || errno == EINTR else { return }
                while recv(descriptor, &byte, 1, Int32(MSG_DONTWAIT)) >= 0 {}
                onRing()
            }
        }
    }
}

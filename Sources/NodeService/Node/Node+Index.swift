import Glibc
import Home
import LogStore

extension Node {
    /// What is to be said of an index that no search can use; there may be none, and the next search makes it.
    public func indexAlarms() -> [String] {
        guard access(home.indexDatabase, F_OK) == 0 else { return [] }
        do {
            try index().check()
            return []
        } catch let error as StoreError {
            // In use, or not to be written just now: that passes.
            switch error {
            case .damaged, .cannotOpen, .newerVersion: return [error.description]
            default: return []
            }
        } catch {
            return []
        }
    }
}

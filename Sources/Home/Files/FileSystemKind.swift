import Glibc

/// Which file systems a home can be on: locks, memory maps and fsync have to work as on a local disk.
package enum FileSystemKind {
    private static let network: Set<String> = [
        "nfs", "nfs4", "cifs", "smb3", "smbfs", "smb2", "9p", "afs", "coda", "ceph", "lustre", "ncp", "ncpfs", "gpfs",
        "beegfs", "glusterfs", "orangefs", "pvfs2", "davfs", "vboxsf", "vmhgfs", "prl_fs",
    ]
    /// FUSE file systems that keep their data on a local disk. Of the others one cannot tell.
    private static let localFuse: Set<String> = ["fuseblk", "fuse.fuse-overlayfs", "fuse.gocryptfs"]

    /// Whether a home must not be on a file system of this type, as the mount table names it.
    package static func isRefused(_ type: String) -> Bool {
        network.contains(type) || type.hasPrefix("fuse") && !localFuse.contains(type) && type != "fusectl"
    }

    /// Refuses a folder on a network file system, and one of which that cannot be found out.
    static func check(_ folder: String) throws(HomeError) {
        guard let resolved = realpath(folder, nil) else { throw SystemCall.error("cannot be found", folder) }
        defer { free(resolved) }
        guard let table = mountTable(), let type = type(of: String(cString: resolved), in: table) else {
            throw HomeError(
                .configuration, "is on a file system unknown, for want of /proc/self/mountinfo; mount /proc",
                path: folder)
        }
        if isRefused(type) {
            throw HomeError(
                .configuration,
                "is on a network file system (\(Display.text(type))), where locks and durability cannot be relied on; "
                    + "choose a folder on a local disk",
                path: folder)
        }
    }

    private static func mountTable() -> String? {
        guard let file = try? OpenFile("/proc/self/mountinfo", O_RDONLY) else { return nil }
        // Files of /proc state no size; four MiB hold some twenty thousand mounts.
        var bytes = [UInt8](repeating: 0, count: 4_194_304)
        let count = bytes.withUnsafeMutableBytes { try? file.read(into: $0) }
        return count.map { String(decoding: bytes.prefix($0), as: UTF8.self) }
    }

    /// The type of the file system that a path without symbolic links is on, by the text of /proc/self/mountinfo
    /// (proc_pid_mountinfo(5)): that of the longest mount point above it, the last of equals.
    package static func type(of path: String, in table: String) -> String? {
        var found: (length: Int, type: String)?
        for line in table.utf8.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: " "))
            guard fields.count > 4, let dash = fields.firstIndex(where: { $0.elementsEqual("-".utf8) }),
                dash + 1 < fields.endIndex
            else { continue }
            let point = unescaped(fields[4])
            let isAbove =
                point == [UInt8(ascii: "/")] || path.utf8.elementsEqual(point)
                || path.utf8.starts(with: point + [UInt8(ascii: "/")])
            if isAbove, point.count >= found?.length ?? 0 {
                found = (point.count, String(decoding: fields[dash + 1], as: UTF8.self))
            }
        }
        return found?.type
    }

    /// The table writes space, tab, line feed and backslash as a backslash and three octal digits.
    private static func unescaped(_ field: Substring.UTF8View) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = field
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), let code = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8) {
                bytes.append(code)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return bytes
    }
}

"""A filter of system calls: what no reader of documents needs is refused from then on."""

import ctypes
import platform
from collections.abc import Callable, Sequence
from functools import cache

REFUSED = """
execve 59 221; execveat 322 281; fork 57 -; vfork 58 -; kill 62 129; tkill 200 130;
tgkill 234 131; rt_sigqueueinfo 129 138; rt_tgsigqueueinfo 297 240; pidfd_send_signal 424 424;
pidfd_open 434 434; pidfd_getfd 438 438; ptrace 101 117; process_vm_readv 310 270;
process_vm_writev 311 271; process_madvise 440 440; process_mrelease 448 448; kcmp 312 272;
prlimit64 302 261; setrlimit 160 164; setpriority 141 140; ioprio_set 251 30;
sched_setaffinity 203 122; sched_setscheduler 144 119; sched_setparam 142 118;
sched_setattr 314 274; move_pages 279 239; migrate_pages 256 238; setpgid 109 154; setsid 112 157;
get_robust_list 274 100; socket 41 198; socketpair 53 199; connect 42 203; bind 49 200;
listen 50 201; accept 43 202; accept4 288 242; io_uring_setup 425 425; io_uring_enter 426 426;
io_uring_register 427 427; shmget 29 194; shmat 30 196; shmctl 31 195; msgget 68 186;
msgsnd 69 189; msgrcv 70 188; msgctl 71 187; semget 64 190; semop 65 193; semctl 66 191;
semtimedop 220 192; mq_open 240 180; mq_unlink 241 181; memfd_create 319 279;
memfd_secret 447 447; bpf 321 280; perf_event_open 298 241; userfaultfd 323 282; keyctl 250 219;
add_key 248 217; request_key 249 218; mount 165 40; umount2 166 39; pivot_root 155 41;
chroot 161 51; setns 308 268; unshare 272 97; name_to_handle_at 303 264;
open_by_handle_at 304 265; open_tree 428 428; move_mount 429 429; fsopen 430 430;
fsconfig 431 431; fsmount 432 432; fspick 433 433; mount_setattr 442 442; init_module 175 105;
finit_module 313 273; delete_module 176 106; kexec_load 246 104; kexec_file_load 320 294;
reboot 169 142; swapon 167 224; swapoff 168 225; personality 135 92; syslog 103 116; acct 163 89;
quotactl 179 60; quotactl_fd 443 443; settimeofday 164 170; clock_settime 227 112;
clock_adjtime 305 266; adjtimex 159 171; sethostname 170 161; setdomainname 171 162;
vhangup 153 58; fanotify_init 300 262; lookup_dcookie 212 18; nfsservctl 180 42; iopl 172 -;
ioperm 173 -; modify_ldt 154 -; mknod 133 -; mknodat 259 33; chmod 90 -; fchmod 91 52;
fchmodat 268 53; fchmodat2 452 452; chown 92 -; fchown 93 55; lchown 94 -; fchownat 260 54;
utime 132 -; utimes 235 -; utimensat 280 88; futimesat 261 -; setxattr 188 5; lsetxattr 189 6;
fsetxattr 190 7; removexattr 197 14; lremovexattr 198 15; fremovexattr 199 16
"""
"""Name and number on x86_64 and aarch64, "-" where there is none: calls that run, signal or reach
other processes, use the network, share memory, change files without opening them, or reach the
rarer parts of the kernel."""
MACHINES = {"x86_64": (0xC000003E, 56, 1), "aarch64": (0xC00000B7, 220, 2)}
"""The kernel's name of the machine, its number of ``clone``, and its column in the list."""
CLONE3, CLONE_THREAD, X32 = 435, 0x00010000, 0x40000000
PR_SET_SECCOMP, FILTER = 22, 2
ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
EPERM, ENOSYS = 1, 38
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
COMPARED = 6
"""Numbers that are compared one after the other."""
NUMBER_AT, ARCHITECTURE_AT, FIRST_ARGUMENT_AT = 0, 4, 16
Step = tuple[int, int, int, int]
"""Operation, steps to skip when it holds and when not, value: of the kernel's filter machine."""


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("operation", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("first", ctypes.POINTER(_Instruction)))


def refuse_calls(machine: str = platform.machine(), but: tuple[str, ...] = ()) -> bool:
    """For this process, for good; False where the kernel or the machine cannot do that.

    ``but`` names calls that are not refused. The process must have given up new privileges
    (``PR_SET_NO_NEW_PRIVS``).
    """
    if machine not in MACHINES:
        return False
    return prctl()(PR_SET_SECCOMP, FILTER, ctypes.addressof(compiled(machine, but)), 0, 0) == 0


def prepare_filter() -> None:
    """In a process that forks: its children find the filter, and the way to the kernel, made."""
    if (machine := platform.machine()) in MACHINES:
        compiled(machine, ())
        prctl()


@cache
def library() -> ctypes.CDLL:
    """The C library: one for all forks, as to make one takes longer than most calls."""
    return ctypes.CDLL(None, use_errno=True)


@cache
def prctl() -> Callable[[int, int, int, int, int], int]:
    """The call of that name. It takes plain numbers: each object that a child makes for a call may
    lie on a page that is then copied for it."""
    function = library().prctl
    function.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
    return function


@cache
def compiled(machine: str, but: tuple[str, ...] = ()) -> ctypes.Structure:
    """The filter as the kernel takes it, made once for all forks of a process."""
    steps = filter_steps(machine, but)
    instructions = [_Instruction(*step) for step in steps]
    return _Program(len(steps), (_Instruction * len(steps))(*instructions))


def filter_steps(machine: str, but: tuple[str, ...] = ()) -> list[Step]:
    """The program of the filter; a call by another machine's numbers ends the process."""
    architecture, clone, column = MACHINES[machine]
    refuse, absent = REFUSE | EPERM, REFUSE | ENOSYS
    steps = [(LOAD, 0, 0, ARCHITECTURE_AT), (EQUAL, 1, 0, architecture), (RETURN, 0, 0, KILL)]
    steps += [(LOAD, 0, 0, NUMBER_AT), (AT_LEAST, 0, 1, X32), (RETURN, 0, 0, refuse)]
    # Where clone3 is absent, libraries use clone, which says openly whether it makes a thread.
    steps += [(EQUAL, 0, 1, CLONE3), (RETURN, 0, 0, absent)]
    steps += [(EQUAL, 0, 4, clone), (LOAD, 0, 0, FIRST_ARGUMENT_AT)]
    steps += [(ANY_BIT, 1, 0, CLONE_THREAD), (RETURN, 0, 0, refuse), (RETURN, 0, 0, ALLOW)]
    calls = [call.split() for call in REFUSED.split(";")]
    numbers = [call[column] for call in calls if call[0] not in but]
    return steps + _searched(sorted(int(number) for number in numbers if number != "-"))


def _searched(numbers: Sequence[int]) -> list[Step]:
    """Steps that refuse these numbers and allow all others.

    The kernel tries every number when a filter is put up, so that each is compared with few.
    """
    count = len(numbers)
    if count <= COMPARED:
        tests = [(EQUAL, count - at, 0, number) for at, number in enumerate(numbers)]
        return [*tests, (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, REFUSE | EPERM)]
    below, above = _searched(numbers[: count // 2]), _searched(numbers[count // 2 :])
    return [(AT_LEAST, len(below), 0, numbers[count // 2]), *below, *above]

#include "go_asm.h"
#include "textflag.h"

#define SYS_write      1
#define SYS_getrlimit  97
#define SYS_getuid     102
#define SYS_prctl      157
#define SYS_exit_group 231

#define RLIMIT_DATA   2
#define RLIMIT_NPROC  6
#define RLIMIT_NOFILE 7
#define RLIMIT_AS     9

#define PR_SET_TIMERSLACK 29
#define PR_GET_TIMERSLACK 30

// CHECK goes to refuse with a message in SI, and its length in DX, if the soft limit on a resource
// is below what is needed. The kernel writes the limit beneath the stack pointer.
#define CHECK(resource, need, message) \
	MOVL	$SYS_getrlimit, AX \
	MOVL	$resource, DI      \
	LEAQ	-64(SP), SI        \
	SYSCALL                    \
	MOVQ	message+0(SB), SI  \
	MOVQ	message+8(SB), DX  \
	MOVQ	-64(SP), R8        \
	CMPQ	R8, $need          \
	JCS	refuse

// See entry.go.
TEXT ·entry(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	CHECK(RLIMIT_AS, 0x40000000, ·tooLittleMemory)
	CHECK(RLIMIT_DATA, 0x8000000, ·tooLittleData)
	CHECK(RLIMIT_NOFILE, 16, ·tooFewFiles)
	MOVL	$SYS_getuid, AX
	SYSCALL
	TESTL	AX, AX
	JEQ	begin // root's processes are not counted
	CHECK(RLIMIT_NPROC, 48, ·tooFewProcesses)
begin:
	MOVL	$SYS_prctl, AX
	MOVL	$PR_GET_TIMERSLACK, DI
	SYSCALL
	MOVQ	AX, ·usersSlack(SB)
	CMPQ	AX, $const_slack
	JGE	run // they may be late enough
	MOVL	$SYS_prctl, AX
	MOVL	$PR_SET_TIMERSLACK, DI
	MOVL	$const_slack, SI
	SYSCALL
run:
	JMP	_rt0_amd64_linux(SB)
refuse:
	MOVL	$SYS_write, AX
	MOVL	$2, DI
	SYSCALL
	MOVL	$SYS_exit_group, AX
	MOVL	$125, DI
	SYSCALL

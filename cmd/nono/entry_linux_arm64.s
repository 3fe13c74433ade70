#include "go_asm.h"
#include "textflag.h"

#define SYS_write      64
#define SYS_exit_group 94
#define SYS_getrlimit  163
#define SYS_prctl      167
#define SYS_getuid     174

#define RLIMIT_DATA   2
#define RLIMIT_NPROC  6
#define RLIMIT_NOFILE 7
#define RLIMIT_AS     9

#define PR_SET_TIMERSLACK 29
#define PR_GET_TIMERSLACK 30

// CHECK goes to refuse with a message in R1, and its length in R2, if the soft limit on a resource
// is below what is needed. The kernel writes the limit beneath the stack pointer.
#define CHECK(resource, need, message) \
	MOVD	$SYS_getrlimit, R8 \
	MOVD	$resource, R0      \
	SUB	$64, RSP, R1       \
	SVC                        \
	SUB	$64, RSP, R3       \
	MOVD	(R3), R4           \
	MOVD	message+0(SB), R1  \
	MOVD	message+8(SB), R2  \
	MOVD	$need, R5          \
	CMP	R5, R4             \
	BLO	refuse

// See entry.go.
TEXT ·entry(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	CHECK(RLIMIT_AS, 0x40000000, ·tooLittleMemory)
	CHECK(RLIMIT_DATA, 0x8000000, ·tooLittleData)
	CHECK(RLIMIT_NOFILE, 16, ·tooFewFiles)
	MOVD	$SYS_getuid, R8
	SVC
	CBZW	R0, begin // root's processes are not counted
	CHECK(RLIMIT_NPROC, 48, ·tooFewProcesses)
begin:
	MOVD	$SYS_prctl, R8
	MOVD	$PR_GET_TIMERSLACK, R0
	SVC
	MOVD	R0, ·usersSlack(SB)
	MOVD	$const_slack, R1
	CMP	R1, R0
	BGE	run // they may be late enough
	MOVD	$SYS_prctl, R8
	MOVD	$PR_SET_TIMERSLACK, R0
	SVC
run:
	JMP	_rt0_arm64_linux(SB)
refuse:
	MOVD	$SYS_write, R8
	MOVD	$2, R0
	SVC
	MOVD	$SYS_exit_group, R8
	MOVD	$125, R0
	SVC

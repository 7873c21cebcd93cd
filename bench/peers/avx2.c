/*
 * Hides AVX-512 and AMX from whatever runs in a process, so that a machine which has them races programs as one with
 * AVX2 does: preloaded (see avx2.ts), it has the kernel make every CPUID instruction fault (arch_prctl(2), ARCH_SET_CPUID) and
 * answers it without those features. What asks CPUID chooses AVX2 then; nothing else changes.
 *
 * Linux on x86-64, processors that can fault on CPUID (`cpuid_fault` among the flags of /proc/cpuinfo).
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_SET_CPUID 0x1012
#define BIT(n) (1u << (n))

typedef int (*sigaction_t)(int, const struct sigaction *, struct sigaction *);
static sigaction_t libc_sigaction(void) { return (sigaction_t)dlsym(RTLD_NEXT, "sigaction"); }
/* What the program itself wants done where it faults: V8 finds accesses out of bounds so. */
static struct sigaction of_program;

/* CPUID without the features of 512 bits, of matrices, and of AVX2 machines newer than Zen 3 (Intel's manual, volume 2A). */
static void cpuid_avx2(unsigned leaf, unsigned sub, unsigned r[4]) {
  syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1);
  __cpuid_count(leaf, sub, r[0], r[1], r[2], r[3]);
  syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0);
  if (leaf != 7) return;
  if (sub == 0) {
    /* AVX512 F, DQ, IFMA, PF, ER, CD, BW, VL */
    r[1] &= ~(BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31));
    /* VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ */
    r[2] &= ~(BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14));
    /* 4VNNIW, 4FMAPS, VP2INTERSECT, AMX-BF16, AVX512-FP16, AMX-TILE, AMX-INT8 */
    r[3] &= ~(BIT(2) | BIT(3) | BIT(8) | BIT(22) | BIT(23) | BIT(24) | BIT(25));
  } else if (sub == 1) {
    /* AVX-VNNI, AVX512-BF16, AMX-FP16, AVX-IFMA; AVX-VNNI-INT8, AVX-NE-CONVERT, AVX-VNNI-INT16, AVX10 */
    r[0] &= ~(BIT(4) | BIT(5) | BIT(21) | BIT(23));
    r[3] &= ~(BIT(4) | BIT(5) | BIT(10) | BIT(19));
  }
}

static void on_fault(int number, siginfo_t *info, void *context) {
  greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
  const unsigned char *code = (const unsigned char *)r[REG_RIP];
  if (info->si_code == SI_KERNEL && code[0] == 0x0f && code[1] == 0xa2) {
    unsigned values[4];
    cpuid_avx2((unsigned)r[REG_RAX], (unsigned)r[REG_RCX], values);
    r[REG_RAX] = values[0];
    r[REG_RBX] = values[1];
    r[REG_RCX] = values[2];
    r[REG_RDX] = values[3];
    r[REG_RIP] += 2;
  } else if (of_program.sa_flags & SA_SIGINFO) {
    of_program.sa_sigaction(number, info, context);
  } else if (of_program.sa_handler != SIG_DFL && of_program.sa_handler != SIG_IGN) {
    of_program.sa_handler(number);
  } else {
    /* Faults again, and ends the process. */
    signal(number, SIG_DFL);
  }
}

/* Instead of libc's: the handler above stays in its place. */
int sigaction(int number, const struct sigaction *action, struct sigaction *old) {
  if (number != SIGSEGV) return libc_sigaction()(number, action, old);
  if (old) *old = of_program;
  if (action) of_program = *action;
  return 0;
}

__attribute__((constructor)) static void start(void) {
  struct sigaction mine = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  libc_sigaction()(SIGSEGV, &mine, NULL);
  if (syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0) != 0) {
    fputs("this processor or kernel cannot fault on CPUID\n", stderr);
    _exit(1);
  }
  unsigned a, b, c, d;
  __cpuid_count(7, 0, a, b, c, d);
  if (b & BIT(16)) {
    fputs("CPUID still shows AVX-512\n", stderr);
    _exit(1);
  }
}

/*
 * Makes of one started keepalived as many as are asked for (LD_PRELOAD, beside ipvs_shim.c):
 * loading it with all its libraries takes far longer than what it then does with a small file.
 *
 * Its main is not called, but stood before: for every byte that arrives on descriptor
 * ORACLE_LINE, a fork of the untouched process runs main, with the same arguments each time.
 * The answer is three times four bytes: the process's number at once, and, once it and all that
 * it had started are gone, how it ended (as waitpid tells) and the milliseconds of processor time.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

typedef int main_function(int, char **, char **);

/* keepalived's own first process. */
pid_t oracle_parent;

static main_function *real_main;

static int answer(int line, int32_t number)
{
	return write(line, &number, sizeof(number)) == sizeof(number);
}

static int32_t milliseconds(const struct rusage *usage)
{
	return (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000 +
	       (usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1000;
}

static int serve(int argc, char **argv, char **envp)
{
	/* A keepalived that comes to no end, or to no end of memory, is ended. */
	static const struct rlimit seconds = { 1, 1 }, memory = { 1 << 29, 1 << 29 };
	const char *name = getenv("ORACLE_LINE");
	struct rusage before, after;
	int line, status;
	char request;
	pid_t child;

	oracle_parent = getpid();
	if (name == NULL)
		return real_main(argc, argv, envp);
	line = atoi(name);
	/* What keepalived leaves behind comes to us, so that it can be waited for. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	while (read(line, &request, 1) == 1) {
		getrusage(RUSAGE_CHILDREN, &before);
		child = fork();
		if (child == 0) {
			close(line);
			/* Children of keepalived are programs of their own, or read this again. */
			unsetenv("ORACLE_LINE");
			oracle_parent = getpid();
			setsid();
			setrlimit(RLIMIT_CPU, &seconds);
			setrlimit(RLIMIT_AS, &memory);
			return real_main(argc, argv, envp);
		}
		if (child < 0 || !answer(line, child))
			return 1;
		waitpid(child, &status, 0);
		kill(-child, SIGKILL);
		while (waitpid(-1, NULL, 0) > 0)
			;
		getrusage(RUSAGE_CHILDREN, &after);
		if (!answer(line, status) || !answer(line, milliseconds(&after) - milliseconds(&before)))
			return 1;
	}
	return 0;
}

int __libc_start_main(main_function *main, int argc, char **argv, void (*init)(void),
		      void (*fini)(void), void (*rtld_fini)(void), void *stack_end)
{
	__typeof__(&__libc_start_main) start = dlsym(RTLD_NEXT, "__libc_start_main");

	real_main = main;
	return start(serve, argc, argv, init, fini, rtld_fini, stack_end);
}

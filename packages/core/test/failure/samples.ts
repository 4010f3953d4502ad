/** A failure as a worker reports it, and the template that it is to get. */
export interface Sample {
  readonly what: string
  readonly reason: string
  readonly id?: string
  readonly template: string
}

/** Messages as the programs print them; names of machines, buckets and people are changed. */
export const SAMPLES: readonly Sample[] = [
  {
    what: 'Python: the exception, not its traceback',
    id: 'tile-0007',
    reason: `exit code 1: Traceback (most recent call last):
  File "/app/digest.py", line 41, in <module>
    main(sys.argv[1])
  File "/app/digest.py", line 22, in main
    with open(path, "rb") as file:
         ^^^^^^^^^^^^^^^^
FileNotFoundError: [Errno 2] No such file or directory: '/data/in/tile-0007.tif'`,
    template: "exit code 1: FileNotFoundError: [Errno 2] No such file or directory: '<path>'",
  },
  {
    what: 'Python: the last of chained tracebacks',
    reason: `Traceback (most recent call last):
  File "/usr/lib/python3.11/urllib/request.py", line 1348, in do_open
    h.request(req.get_method(), req.selector, req.data, headers,
ConnectionRefusedError: [Errno 111] Connection refused

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/fetch.py", line 12, in <module>
    urlopen("http://10.4.17.203:8080/v1/items/8812")
urllib.error.URLError: <urlopen error [Errno 111] Connection refused>
`,
    template: 'urllib.error.URLError: <urlopen error [Errno 111] Connection refused>',
  },
  {
    what: 'Python: a traceback whose beginning was cut off',
    reason: `ibs/python3.12/site-packages/pandas/io/parsers/readers.py", line 1026, in read_csv
    return _read(filepath_or_buffer, kwds)
  File "parsers.pyx", line 843, in pandas._libs.parsers.TextReader.read_low_memory
pandas.errors.ParserError: Error tokenizing data. C error: Expected 7 fields in line 8812, saw 9`,
    template:
      'pandas.errors.ParserError: Error tokenizing data. C error: Expected <n> fields in line <n>, saw <n>',
  },
  {
    what: 'Python: a command that failed within it',
    reason: `Traceback (most recent call last):
  File "run.py", line 9, in <module>
    subprocess.run(["samtools", "sort", path], check=True)
  File "/opt/conda/lib/python3.11/subprocess.py", line 571, in run
    raise CalledProcessError(retcode, process.args,
subprocess.CalledProcessError: Command '['samtools', 'sort', '/scratch/NA12878.bam']' returned non-zero exit status 2.`,
    template:
      "subprocess.CalledProcessError: Command '['samtools', 'sort', '<path>']' returned non-zero exit status 2.",
  },
  {
    what: 'Python: an AssertionError without words, and output after it',
    reason: `Traceback (most recent call last):
  File "check.py", line 3, in <module>
    assert total == 12
AssertionError
Cleaning up 3 temporary files`,
    template: 'AssertionError',
  },
  {
    what: 'Python: CUDA',
    reason: `Traceback (most recent call last):
  File "/workspace/train.py", line 88, in <module>
    loss.backward()
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 15.77 GiB of which 1.12 GiB is free.`,
    template:
      'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate <size>. GPU <n> has a total capacity of <size> of which <size> is free.',
  },
  {
    what: 'Python: an exception group',
    reason: `  + Exception Group Traceback (most recent call last):
  |   File "/app/main.py", line 10, in <module>
  |     asyncio.run(main())
  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/app/main.py", line 5, in work
    |     raise ValueError(f"bad tile {n}")
    | ValueError: bad tile 17
    +------------------------------------`,
    template: 'ValueError: bad tile <n>',
  },
  {
    what: 'PySpark: the Java cause that is quoted below',
    reason: `Traceback (most recent call last):
  File "/opt/job.py", line 31, in <module>
    df.count()
py4j.protocol.Py4JJavaError: An error occurred while calling o87.count.
: org.apache.spark.SparkException: Job aborted due to stage failure: Task 3 in stage 0.0 failed 4 times
	at org.apache.spark.scheduler.DAGScheduler.failJobAndIndependentStages(DAGScheduler.scala:2856)
Caused by: java.io.EOFException: reached end of stream after reading 16 bytes; 24 bytes expected
	at org.apache.parquet.io.DelegatingSeekableInputStream.readFully(DelegatingSeekableInputStream.java:104)`,
    template: 'java.io.EOFException: reached end of stream after reading <size>; <size> expected',
  },
  {
    what: 'Java: the last cause',
    reason: `Exception in thread "main" java.lang.RuntimeException: could not process batch 17
	at com.example.Main.run(Main.java:44)
	at com.example.Main.main(Main.java:12)
Caused by: java.util.concurrent.ExecutionException: com.example.StoreException: write failed
	... 2 more
Caused by: com.example.StoreException: write failed after 3 attempts in 1203 ms
	at com.example.Store.write(Store.java:91)
	... 6 more`,
    template: 'com.example.StoreException: write failed after <n> attempts in <duration>',
  },
  {
    what: 'Java: without a cause',
    reason: `12:03:44.120 [main] INFO  c.e.Main - starting
Exception in thread "main" java.lang.OutOfMemoryError: Java heap space
	at java.base/java.util.Arrays.copyOf(Arrays.java:3537)`,
    template: 'Exception in thread "main" java.lang.OutOfMemoryError: Java heap space',
  },
  {
    what: 'Java: a class that is missing is no path',
    reason: 'java.lang.NoClassDefFoundError: org/apache/hadoop/fs/FileSystem',
    template: 'java.lang.NoClassDefFoundError: org/apache/hadoop/fs/FileSystem',
  },
  {
    what: 'Java: the AWS client, whose ids are of one request',
    reason:
      'com.amazonaws.services.s3.model.AmazonS3Exception: Access Denied (Service: Amazon S3; Status Code: 403; Error Code: AccessDenied; Request ID: 4442587FB7D0A2F9; S3 Extended Request ID: vlR7PnpV2Ce81l0PRw6jlUpck7Jo5ZsQjryTjKlc5aLWGVHPZLj5NeC6qMa0emYBDXOo6QBU0Wo=)',
    template:
      'com.amazonaws.services.s3.model.AmazonS3Exception: Access Denied (Service: Amazon S3; Status Code: 403; Error Code: AccessDenied; Request ID: <token>; S3 Extended Request ID: <token>)',
  },
  {
    what: 'R: Error in, its second half on the next line',
    reason: `Loading required package: Matrix
Error in solve.default(crossprod(X)) : 
  system is computationally singular: reciprocal condition number = 1.77e-18
Calls: fit -> solve -> solve.default
Execution halted`,
    template:
      'Error in solve.default(crossprod(X)) : system is computationally singular: reciprocal condition number = <n>',
  },
  {
    what: 'R: Error in, on one line',
    reason: `Error in file(file, "rt") : cannot open file 'sample_0042.csv': No such file or directory
Execution halted`,
    template: `Error in file(file, "rt") : cannot open file '<path>': No such file or directory`,
  },
  {
    what: 'R: Error without a call',
    reason: `Warning message:
package ‘dplyr’ was built under R version 4.3.2 
Error: object 'counts' not found
Execution halted`,
    template: "Error: object 'counts' not found",
  },
  {
    what: 'Node: the error, not the source that throws it',
    reason: `/app/index.js:17
    throw new TypeError(\`no size in \${name}\`)
    ^

TypeError: no size in tile-0042
    at parse (/app/index.js:17:11)
    at Object.<anonymous> (/app/index.js:22:1)

Node.js v22.14.0`,
    id: 'tile-0042',
    template: 'TypeError: no size in <id>',
  },
  {
    what: 'Node: a system error',
    reason: `node:events:497
      throw er; // Unhandled 'error' event
      ^

Error: connect ECONNREFUSED 10.0.12.7:5432
    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1611:16) {
  errno: -111,
  code: 'ECONNREFUSED'
}`,
    template: 'Error: connect ECONNREFUSED <ip>:<n>',
  },
  {
    what: 'Go: a panic',
    reason: `2026/11/24 03:56:57 reading 12 tiles
panic: runtime error: index out of range [5] with length 3

goroutine 1 [running]:
main.main()
	/src/main.go:12 +0x1d
exit status 2`,
    template: 'panic: runtime error: index out of range [<n>] with length <n>',
  },
  {
    what: 'Go: log.Fatal has no word for an error: the last line',
    reason: '2026/11/24 03:56:57 dial tcp: lookup tiles.internal on 10.96.0.10:53: no such host',
    template: '<date> dial tcp: lookup tiles.internal on <ip>:<n>: no such host',
  },
  {
    what: 'Go: a deadlock',
    reason: `fatal error: all goroutines are asleep - deadlock!

goroutine 1 [chan receive]:
main.main()
	/src/main.go:7 +0x2c`,
    template: 'fatal error: all goroutines are asleep - deadlock!',
  },
  {
    what: 'Rust: a panic with its message on the next line',
    reason: `thread 'main' (4182) panicked at src/main.rs:4:10:
called \`Result::unwrap()\` on an \`Err\` value: Os { code: 2, kind: NotFound, message: "No such file or directory" }
note: run with \`RUST_BACKTRACE=1\` environment variable to display a backtrace`,
    template:
      'thread \'main\' (<n>) panicked at src/main.rs:<n>:<n>: called `Result::unwrap()` on an `Err` value: Os { code: 2, kind: NotFound, message: "No such file or directory" }',
  },
  {
    what: 'Rust: anyhow',
    reason: `Error: could not read the manifest

Caused by:
    0: could not open /data/manifest-17.jsonl
    1: Permission denied (os error 13)`,
    template: 'Permission denied (os error 13)',
  },
  {
    what: 'Nextflow: the cause, and what the command wrote',
    reason: `ERROR ~ Error executing process > 'ALIGN (sampleA)'

Caused by:
  Process \`ALIGN (sampleA)\` terminated with an error exit status (1)


Command executed:

  bwa mem ref.fa sampleA.fq > out.sam

Command exit status:
  1

Command output:
  (empty)

Command error:
  [M::bwa_idx_load_from_disk] read 0 ALT contigs
  [E::bwa_idx_load_from_disk] fail to locate the index files

Work dir:
  /scratch/3f/a9c1d2e4b5f60718293a4b5c6d7e8f

Tip: when you have fixed the problem you can continue the execution adding the option \`-resume\``,
    template:
      'Process `ALIGN (<id>)` terminated with an error exit status (1): [E::bwa_idx_load_from_disk] fail to locate the index files',
  },
  {
    what: 'Nextflow: no command was run',
    reason: `ERROR ~ Error executing process > 'QC (7)'

Caused by:
  Process requirement exceeds available memory -- req: 64 GB; avail: 31.3 GB

 -- Check '.nextflow.log' file for details`,
    template: 'Process requirement exceeds available memory -- req: <size>; avail: <size>',
  },
  {
    what: 'Snakemake: RuleException',
    reason: `[Tue Nov 24 03:56:57 2026]
Error in rule sort:
    jobid: 4
    output: sorted/A.bam
    shell:
        samtools sort A.bam > sorted/A.bam
        (one of the commands exited with non-zero exit code; note that snakemake uses bash strict mode!)

RuleException:
CalledProcessError in file /data/Snakefile, line 12:
Command 'set -euo pipefail;  samtools sort A.bam > sorted/A.bam' returned non-zero exit status 1.
Shutting down, this might take some time.`,
    template:
      "RuleException: CalledProcessError in file <path>, line <n>: Command 'set -euo pipefail; samtools sort <path> > <path>' returned non-zero exit status 1.",
  },
  {
    what: 'Snakemake: outputs that are missing',
    reason: `Waiting at most 5 seconds for missing files.
MissingOutputException in rule align in file /data/Snakefile, line 7:
Job 3 completed successfully, but some output files are missing. Missing files after 5 seconds.
aligned/B.bam`,
    template:
      'MissingOutputException in rule align in file <path>, line <n>: Job <n> completed successfully, but some output files are missing. Missing files after <duration>.',
  },
  {
    what: 'Snakemake: the rule, where nothing else is said',
    reason: `Error in rule sort:
    jobid: 4
    log: logs/sort.log (check log file(s) for error details)
Shutting down, this might take some time.`,
    template: 'Error in rule sort:',
  },
  { what: 'Argo: an exit code alone', reason: 'main: Error (exit code 1)', template: 'Error (exit code 1)' },
  { what: 'Argo: another exit code', reason: 'main: Error (exit code 64)', template: 'Error (exit code 64)' },
  {
    what: 'Argo: with the end of the log (terminationMessagePolicy)',
    reason: `digest: Error (exit code 1): INFO reading
Traceback (most recent call last):
  File "/app/digest.py", line 3, in <module>
KeyError: 'size'
`,
    template: "digest: Error (exit code 1): KeyError: 'size'",
  },
  {
    what: 'Argo: out of memory, whatever the program had just written',
    reason: 'main: OOMKilled (exit code 137): tile 17 of 4000 done',
    template: 'OOMKilled (exit code 137)',
  },
  { what: 'Argo: taken away', reason: 'pod deleted', template: 'pod deleted' },
  {
    what: 'Kubernetes: an image',
    reason:
      'main: Back-off pulling image "registry.example.org/tiles/digest:1.9.2": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image',
    template:
      'Back-off pulling image "registry.example.org/tiles/digest:1.9.2": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image',
  },
  {
    what: 'Kubernetes: no room',
    reason:
      'Unschedulable: 0/14 nodes are available: 3 Insufficient memory, 11 node(s) had untolerated taint {gpu: true}. preemption: 0/14 nodes are available.',
    template:
      'Unschedulable: <n>/<n> nodes are available: <n> Insufficient memory, <n> node(s) had untolerated taint {gpu: true}. preemption: <n>/<n> nodes are available.',
  },
  {
    what: 'Kubernetes: an eviction',
    reason:
      'The node was low on resource: ephemeral-storage. Threshold quantity: 10120387530, available: 7838280Ki. Container main was using 21034Mi, request is 0, has larger consumption of ephemeral-storage.',
    template:
      'The node was low on resource: ephemeral-storage. Threshold quantity: <n>, available: <size>. Container main was using <size>, request is <n>, has larger consumption of ephemeral-storage.',
  },
  {
    what: 'kubectl: a pod by its name',
    reason: 'Error from server (NotFound): pods "digest-5f7d8c9b6d-x2k4z" not found',
    template: 'Error from server (NotFound): pods "digest-<suffix>" not found',
  },
  {
    what: 'the kernel ended it',
    reason: 'killed by SIGKILL: the kernel ended it, since memory ran out: 12 of 40 tiles',
    template: 'killed by SIGKILL: the kernel ended it, since memory ran out',
  },
  {
    what: 'a time-out, whatever the program had just written',
    reason: 'timed out after 1500 ms (killed by SIGTERM): tile 17 of 4000',
    template: 'timed out after <duration> (killed by SIGTERM)',
  },
  {
    what: 'cancelled',
    reason: 'cancelled: wrong template (killed by SIGTERM): tile 17 of 4000',
    template: 'cancelled: wrong template (killed by SIGTERM)',
  },
  {
    what: 'cancelled at Argo, with the end of the log',
    reason: `cancelled: cancelled manually (digest: Error (exit code 143): Traceback (most recent call last):
  File "/app/digest.py", line 3, in <module>
KeyboardInterrupt)`,
    template: 'cancelled: cancelled manually (digest: Error (exit code 143))',
  },
  {
    what: 'Python: an exception that speaks of a file',
    reason: `INFO reading
ERROR ignored
Traceback (most recent call last):
  File "/app/a.py", line 3, in <module>
OSError: cannot read File "a.tif", line 3 of it`,
    template: 'OSError: cannot read File "<path>", line <n> of it',
  },
  {
    what: 'Ruby',
    reason: `Ignoring bigdecimal-3.1.8 because its extensions are not built.
convert.rb:17:in \`open': no tile 8812 (RuntimeError)
	from convert.rb:22:in \`<main>'`,
    template: "convert.rb:<n>:in `open': no tile <n> (RuntimeError)",
  },
  {
    what: 'C++',
    reason: `terminate called after throwing an instance of 'std::runtime_error'
  what():  tile 17 is empty`,
    template: 'what(): tile <n> is empty',
  },
  {
    what: 'Node: an error that was only logged',
    reason: `reading
[Error: ENOENT: no such file or directory, open '/data/a.tif'] {
  errno: -2,
  syscall: 'open'
}`,
    template: "[Error: ENOENT: no such file or directory, open '<path>'] {",
  },
  {
    what: 'S3: boto3',
    reason: `Traceback (most recent call last):
  File "/app/get.py", line 8, in <module>
botocore.exceptions.ClientError: An error occurred (404) when calling the HeadObject operation: Not Found`,
    template:
      'botocore.exceptions.ClientError: An error occurred (404) when calling the HeadObject operation: Not Found',
  },
  {
    what: 'S3: the command line',
    reason:
      'fatal error: An error occurred (SlowDown) when calling the PutObject operation (reached max retries: 4): Please reduce your request rate.',
    template:
      'fatal error: An error occurred (SlowDown) when calling the PutObject operation (reached max retries: <n>): Please reduce your request rate.',
  },
  {
    what: 'S3: an object by its URL',
    reason: 'download failed: s3://maps/in/berlin.tif to ./berlin.tif Unable to locate credentials',
    id: 'in/berlin.tif',
    template: 'download failed: <url> to <path> Unable to locate credentials',
  },
  {
    what: 'HTTP: curl',
    reason:
      '  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n' +
      '  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0\r' +
      'curl: (22) The requested URL returned error: 503',
    template: 'curl: (<n>) The requested URL returned error: 503',
  },
  {
    what: 'HTTP: Python requests',
    reason:
      'requests.exceptions.HTTPError: 429 Client Error: Too Many Requests for url: https://api.example.org/v1/tiles/17',
    template: 'requests.exceptions.HTTPError: 429 Client Error: Too Many Requests for url: <url>',
  },
  {
    what: 'PostgreSQL: a key that is there',
    reason: `psql:load.sql:12: ERROR:  duplicate key value violates unique constraint "tiles_pkey"
DETAIL:  Key (id)=(8812) already exists.`,
    template: 'psql:load.sql:<n>: ERROR: duplicate key value violates unique constraint "tiles_pkey"',
  },
  {
    what: 'PostgreSQL: SQLSTATE',
    reason: 'pq: could not serialize access due to concurrent update (SQLSTATE 40001) after 250ms',
    template: 'pq: could not serialize access due to concurrent update (SQLSTATE 40001) after <duration>',
  },
  {
    what: 'PostgreSQL: no connection',
    reason:
      'connection to server at "db.internal" (10.1.2.3), port 5432 failed: FATAL:  sorry, too many clients already',
    template:
      'connection to server at "db.internal" (<ip>), port <n> failed: FATAL: sorry, too many clients already',
  },
  {
    what: 'Oracle',
    reason: 'ORA-00942: table or view does not exist',
    template: 'ORA-00942: table or view does not exist',
  },
  {
    what: 'a shell: the program that is missing',
    reason: 'exit code 127: sh: 1: samtools: not found',
    template: 'exit code 127: sh: <n>: samtools: not found',
  },
  {
    what: 'a program by its path',
    reason: 'exit code 126: sh: /usr/local/bin/gatk4: Permission denied',
    template: 'exit code 126: sh: /usr/local/bin/gatk4: Permission denied',
  },
  {
    what: 'a progress bar of tqdm and a colour',
    reason:
      'exit code 1: \r 10%|█         | 1/10 [00:00<00:03,  2.5it/s]\r 20%|██        | 2/10 [00:00<00:03,  2.5it/s]\n\u001B[31mdisk full\u001B[0m\n',
    template: 'exit code 1: disk full',
  },
  {
    what: 'make',
    reason: 'make: *** [Makefile:12: all] Error 2',
    template: 'make: *** [Makefile:<n>: all] Error 2',
  },
  {
    what: 'a segmentation fault',
    reason: 'bash: line 7:   412 Segmentation fault      (core dumped) ./align "$1" (signal 11)',
    template: 'bash: line <n>: <n> Segmentation fault (core dumped) <path> "$<n>" (signal 11)',
  },
  {
    what: 'a UUID, an address, a hash, a date',
    reason:
      'job 3f2504e0-4f89-11d3-9a0c-0305e82c3301 of deadbeef12ab at 0x7ffd12aa died 2026-11-24T03:56:57.123Z, told ops@example.org',
    template: 'job <uuid> of <hex> at <hex> died <date>, told <email>',
  },
  { what: 'nothing', reason: '', template: '(no reason given)' },
  { what: 'nothing but space', reason: ' \n\t\r\n', template: '(no reason given)' },
]

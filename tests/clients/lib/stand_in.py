"""Stands in for the worker until it is there."""
last = [0]
def maintain(s):
    s.ask("SELECT triage.fold('default')")
    n = int(s.ask("select count(*) from triage.decision").splitlines()[-1])
    if n >= 100 and n >= 2*last[0]:
        last[0] = n
        print("retrain", n, s.ask("select now(), triage.retrain('default')"), flush=True)

from locust import HttpUser, task


class Reader(HttpUser):
    @task
    def poll(self):
        self.client.get("/rooms/a/short-poll")

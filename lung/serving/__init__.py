"""What `lung/serverless.py` is made of: events and answers, radiographs from S3, the network without Keras."""

-- Run once, by the image, when its volume is new.
CREATE DATABASE newsdesk_metadata;
CREATE DATABASE newsdesk_mlflow;
